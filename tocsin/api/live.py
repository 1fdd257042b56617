"""Server-sent events: what is new, as it comes. A connection that falls behind is told to read everything again."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import StreamingResponse

from tocsin.api._access import ROLES, Caller, reader
from tocsin.api._access import caller as known
from tocsin.api._context import Context, context

router = APIRouter(tags=["live"])


@router.get("/live")
async def live(
    request: Request, here: Annotated[Context, Depends(context)], caller: Annotated[Caller, Depends(reader)]
) -> StreamingResponse:
    """What is new: events named alert, incident, status, sources."""

    def still() -> bool:
        """Whether who listens may go on: a sign-out, a disabled account and a revoked key end it."""
        try:
            return known(request).role in ROLES
        except HTTPException:
            return False

    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(here.bus.listen(still), media_type="text/event-stream", headers=headers)
