"""What a run prints."""

from collections.abc import Sequence

from tests.mutants.trial import Outcome, Verdict


def progress(outcome: Outcome, index: int, number: int) -> str:
    """Return the line of one fault."""
    noticed_by = f"  [{outcome.failed}]" if outcome.failed else ""
    return f"{index:>4}/{number}  {outcome.verdict:<8}  {outcome.seconds:5.1f} s  {outcome.mutation}{noticed_by}"


def survivors(outcomes: Sequence[Outcome]) -> list[str]:
    """Return each fault that no test noticed, as a difference."""
    lines: list[str] = []
    for mutation in sorted(one.mutation for one in outcomes if one.verdict is Verdict.SURVIVED):
        lines += ["", f"{mutation.path}:{mutation.line} in {mutation.where}"]
        lines += [f"- {mutation.before}", f"+ {mutation.after}"]
    return lines


def noticed_percent(outcomes: Sequence[Outcome]) -> float:
    """Return the share of faults that were noticed. Without any fault it is 100."""
    noticed = sum(one.verdict is not Verdict.SURVIVED for one in outcomes)
    return 100 * noticed / len(outcomes) if outcomes else 100.0
