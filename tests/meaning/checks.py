"""Every check by name. Each face is put to them, and each seeded defect must make one of them fail."""

from collections.abc import Mapping

from tests.meaning.drawing import DRAWN
from tests.meaning.face import Check
from tests.meaning.hearing import RECORDED, SAID
from tests.meaning.loop import LOOP
from tests.meaning.seeing import ASKED, COUNTED, FILES, SHOWN
from tests.meaning.speaking import SPOKEN

ALL = (*SHOWN, *ASKED, *FILES, *COUNTED, *SAID, *RECORDED, *SPOKEN, *DRAWN, *LOOP)
CHECKS: Mapping[str, Check] = {check.name: check for check in ALL}
assert len(CHECKS) == len(ALL), "two checks have one name"
