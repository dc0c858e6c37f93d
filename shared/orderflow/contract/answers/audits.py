"""Answers about audits."""

from typing import Annotated, Any

from pydantic import AwareDatetime, Field
from typing_extensions import TypedDict

from orderflow.audit.record import EXAMPLES
from orderflow.contract.answers.orders import Count


class ListedAudit(TypedDict):
    """An audit in a list."""

    audit_id: Count
    started_at: AwareDatetime
    finished_at: AwareDatetime
    asked_by: Annotated[str, Field(description="Of one that nobody asked for, `schedule`.")]
    passed: bool
    differences: Annotated[Count, Field(description="Of all checks together.")]


class Check(TypedDict):
    """What must be so, and how often it is not; `remark` is worth knowing and no fault."""

    name: str
    title: str
    differences: Count
    examples: Annotated[list[dict[str, Any]], Field(max_length=EXAMPLES)]
    remedy: Annotated[str | None, Field(description="What to do about the differences.")]
    remark: str | None


class OneAudit(ListedAudit):
    """An audit with what each check found."""

    counted: Annotated[dict[str, Count], Field(description="Rows that each check looked at.")]
    checks: list[Check]
