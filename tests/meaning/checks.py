"""All checks by name. They run against each interface of Senses, and each seeded defect must make one of them fail."""

from collections.abc import Mapping

from tests.meaning.drawing import IMAGE_CHECKS
from tests.meaning.face import MeaningCheck
from tests.meaning.hearing import ENCODING_CHECKS, TRANSCRIPTION_CHECKS
from tests.meaning.loop import LOOP_CHECKS
from tests.meaning.seeing import CAPTION_CHECKS, COUNT_CHECKS, FILE_CHECKS, QUESTION_CHECKS
from tests.meaning.speaking import SPEECH_CHECKS

ALL_CHECKS = (
    *CAPTION_CHECKS,
    *QUESTION_CHECKS,
    *FILE_CHECKS,
    *COUNT_CHECKS,
    *TRANSCRIPTION_CHECKS,
    *ENCODING_CHECKS,
    *SPEECH_CHECKS,
    *IMAGE_CHECKS,
    *LOOP_CHECKS,
)
CHECKS: Mapping[str, MeaningCheck] = {check.name: check for check in ALL_CHECKS}
assert len(CHECKS) == len(ALL_CHECKS), "two checks have one name"
