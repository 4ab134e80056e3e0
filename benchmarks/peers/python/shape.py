"""What the FastAPI peers share: the shape of a job, and where the servers are."""

import os
from typing import Any, Literal

from pydantic import BaseModel, Field

DATABASE_URL, REDIS_URL = os.environ["DATABASE_URL"], os.environ["REDIS_URL"]


class JobIn(BaseModel):
    """The measured body."""

    type: Literal["echo"]
    priority: Literal["low", "default", "high"] = "default"
    description: str | None = Field(None, max_length=4_000)
    labels: dict[str, str] = {}
    args: dict[str, Any]
    max_attempts: int = Field(3, ge=1, le=20)
    correlation_id: str | None = Field(None, max_length=128)
