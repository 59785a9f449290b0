"""The frame of every check: run what looks for problems over what is stored of the whole study, and report what it found.

What does not belong here: what is looked for (one file per subject beside this one).
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import dagster as dg

from asteer_core.errors import AsteerError
from asteer_pipeline.resources import WorkspaceResource

ERROR = dg.AssetCheckSeverity.ERROR
"""A number is wrong."""
WARN = dg.AssetCheckSeverity.WARN
"""A result is right but weak, and the reader should know."""
SHOWN_PROBLEMS = 20


@dataclass
class Finding:
    """What a check saw: how many things, and what is wrong with which."""

    seen: int
    problems: list[str] = field(default_factory=list)


def check(
    asset: str, find: Callable[..., Finding], severity: dg.AssetCheckSeverity, over: str | None = None, blocking: bool = False
) -> dg.AssetChecksDefinition:
    """Return the check that no problem is found; its name and description are those of `find`."""
    description = f"There are none of: {(find.__doc__ or '').splitlines()[0].removeprefix('Return ')}"

    @dg.asset_check(asset=asset, name=f"no_{find.__name__}", description=description, blocking=blocking)
    def run_check(context: dg.AssetCheckExecutionContext, workspace: WorkspaceResource) -> dg.AssetCheckResult:
        ws = workspace.open(context.log)
        try:
            finding = find(ws, getattr(ws.plan, over)) if over else find(ws)
        except AsteerError as error:
            # What cannot be read is a finding of the check, not a crash of the run.
            finding = Finding(1, [str(error)])
        nothing = [] if finding.seen else ["nothing is stored yet"]
        problems = [*nothing, *finding.problems]
        metadata = {"seen": finding.seen, "problems": len(problems), "which": "\n".join(problems[:SHOWN_PROBLEMS])}
        return dg.AssetCheckResult(passed=not problems, severity=severity, metadata=metadata)

    return run_check
