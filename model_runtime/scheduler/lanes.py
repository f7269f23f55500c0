"""Which models may use the GPU at the same time. Pure functions of plain data.

Two heavy models at once are slower than one after the other. A heavy and a light one are not, so speech is generated
while an image is.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType

from model_runtime.scheduler.model_record import ModelRecord


class Lane(StrEnum):
    """How much GPU work a model does."""

    HEAVY = "heavy"
    LIGHT = "light"


Lanes = Mapping[Lane, str]
"""Lane → name of its slot. One model at a time uses a slot; lanes without a slot are not limited."""

TWO_LANES: Lanes = MappingProxyType({Lane.HEAVY: "heavy", Lane.LIGHT: "light"})
EXCLUSIVE_LANE: Lanes = MappingProxyType({Lane.HEAVY: "gpu", Lane.LIGHT: "gpu"})
NO_LANES: Lanes = MappingProxyType({})
LANES_BY_SETTING: Mapping[str, Lanes] = MappingProxyType(
    {"two": TWO_LANES, "exclusive": EXCLUSIVE_LANE, "off": NO_LANES}
)


def lane_admits(
    record: ModelRecord, records: Iterable[ModelRecord], lanes: Lanes, overdue_order: Mapping[str, int]
) -> bool:
    """Return whether another request of this model may run now.

    A running model may start more requests, but none that arrived after the oldest request of a starving model in the
    same slot. `overdue_order` maps each starving model to the arrival number of its oldest request.
    """
    slot = lanes.get(Lane(record.spec.lane))
    if slot is None:
        return True
    rivals = [other for other in records if other is not record and lanes.get(Lane(other.spec.lane)) == slot]
    if any(rival.active for rival in rivals):
        return False
    head = record.queue[0].arrival_number if record.queue else 0
    return not record.active or all(overdue_order.get(rival.name, head) >= head for rival in rivals)
