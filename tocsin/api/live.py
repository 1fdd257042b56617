"""Server-sent events: what is new, as it comes. A connection that falls behind is told to read everything again."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import StreamingResponse

from tocsin.api._access import Caller, reader
from tocsin.api._context import Context, context

router = APIRouter(tags=["live"])


@router.get("/live")
async def live(
    here: Annotated[Context, Depends(context)], caller: Annotated[Caller, Depends(reader)]
) -> StreamingResponse:
    """What is new: events named alert, incident, status, sources."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(here.bus.listen(), media_type="text/event-stream", headers=headers)
