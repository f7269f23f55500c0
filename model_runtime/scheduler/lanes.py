"""Who may use the GPU at the same time. Two big models at once are slower than one after the other; a big and a small
one are not, so speech goes on while a picture is drawn. Pure decisions over plain facts.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType

from model_runtime.scheduler.model_record import ModelRecord


class Lane(StrEnum):
    """What kind of work a model gives the GPU."""

    HEAVY = "heavy"
    LIGHT = "light"


Lanes = Mapping[Lane, str]
"""Lane → the name of the slot it takes; a slot has one model at a time. Lanes without a slot are unlimited."""

TWO_LANES: Lanes = MappingProxyType({Lane.HEAVY: "heavy", Lane.LIGHT: "light"})
EXCLUSIVE_LANE: Lanes = MappingProxyType({Lane.HEAVY: "gpu", Lane.LIGHT: "gpu"})
NO_LANES: Lanes = MappingProxyType({})
LANES_BY_SETTING: Mapping[str, Lanes] = MappingProxyType(
    {"two": TWO_LANES, "exclusive": EXCLUSIVE_LANE, "off": NO_LANES}
)


def lane_admits(
    record: ModelRecord, records: Iterable[ModelRecord], lanes: Lanes, overdue_order: Mapping[str, int]
) -> bool:
    """Tell whether another request of this model may run now.

    A model that runs already may serve more of its own, but not for ever: not before the oldest request that another
    model of the slot has waiting, where that one is in `overdue_order` (model → order of arrival).
    """
    slot = lanes.get(Lane(record.spec.lane))
    if slot is None:
        return True
    rivals = [other for other in records if other is not record and lanes.get(Lane(other.spec.lane)) == slot]
    if any(rival.active for rival in rivals):
        return False
    head = record.queue[0].arrival_number if record.queue else 0
    return not record.active or all(overdue_order.get(rival.name, head) >= head for rival in rivals)
