"""Runs a case of `near.json` on the near cache's core, with a clock of its own, and says what came of it."""

from __future__ import annotations

from typing import Any

from hotplate._core.near.core import Asked, Confirmation, Core, stamp_of
from hotplate._core.near.kept import Kept
from hotplate._core.near.rule import TooLateError
from hotplate._core.near.sets import Set
from hotplate.near import NearOptions
from hotplate.serializers import Place, Text
from hotplate.ttl import wire
from hotplate.v1 import cache_pb2 as pb
from hotplate.v1 import types_pb2 as types

_SETS = 64
_EPOCH = 7


def run(settings: dict[str, Any], case: dict[str, Any]) -> list[dict[str, Any]]:
    """What came of each step."""
    return list(map(_Run(settings, case).step, case["steps"]))


class _Run:
    """One case under way."""

    def __init__(self, settings: dict[str, Any], case: dict[str, Any]) -> None:
        follow: Any = case.get("prefixes") or ("kept_keys" if case.get("follow_keys") else "namespace")
        options = NearOptions(
            bytes_max=64 << 20,
            progress_max=settings["progress_max_ms"] / 1000,
            ttl_max=settings["ttl_max_ms"] / 1000,
            keep_dependents=case.get("keep_dependents", False),
            follow=follow,
        )
        self.core = Core(options, settings["fences_max"])
        self.now = 1_000.0
        self.asked: dict[str, Asked] = {}
        self.writes: dict[str, list[Set]] = {}
        self.suspects: tuple[Asked, list[Kept]] | None = None

    def step(self, step: dict[str, Any]) -> dict[str, Any]:
        """Carries one step out."""
        match step["step"]:
            case "pass":
                self.now += step.get("ms", 0) / 1000
            case "ask":
                self.asked[step["as"]] = self.core.ask(self.now)
            case "answer":
                return self.answer(step)
            case "read":
                return self.read(step)
            case "lost":
                self.core.lost()
            case "opened" | "event" | "progress" | "discontinuity":
                return self.message(step)
            case "revalidated":
                self.revalidated(step)
            case "followed":
                return self.followed(step)
            case "write_begins" | "write_answered" | "write_unknown":
                return self.write(step)
            case other:
                raise ValueError(f"a step `{other}`")
        return {}

    def answer(self, step: dict[str, Any]) -> dict[str, Any]:
        fresh = wire(step.get("fresh_ms", 0) / 1000)
        metadata = types.EntryMetadata(
            content_type="text/plain",
            fresh_for=fresh,
            usable_for=fresh,
            age=wire(step.get("age_ms", 0) / 1000),
            kind=step.get("kind", ""),
            tags=step.get("tags", []),
            depends_on=step.get("made_from", []),
        )
        entry = types.Entry(key=step["key"], value=step["value"].encode(), metadata=metadata)
        response = pb.GetResponse(outcome=pb.GET_OUTCOME_HIT, entry=entry, as_of=_as_of(step))
        before = self.core.stats(self.now)
        self.core.offer(self.asked[step["to"]], step["key"], response)
        after = self.core.stats(self.now)
        kept = after.admitted > before.admitted
        why = [name.upper() for name, count in after.refused.items() if count > before.refused[name]]
        return {"kept": True} if kept else {"kept": False, "why": why[0] if why else None}

    def read(self, step: dict[str, Any]) -> dict[str, Any]:
        age = step.get("max_age_ms")
        kept = self.core.hit(step["key"], None if age is None else age / 1000, self.now)
        if kept is None:
            return {"value": None}
        found = kept.lookup(Text(), Place("t", step["key"]), "none", self.now)
        return {"value": getattr(found, "value", None)}

    def message(self, step: dict[str, Any]) -> dict[str, Any]:
        message = pb.WatchResponse()
        match step["step"]:
            case "opened":
                self.core.opening()
                message.created.CopyFrom(pb.WatchCreated(position=_place(step), watch_id="watch"))
            case "progress":
                message.progress.CopyFrom(pb.WatchProgress(position=_place(step)))
            case "discontinuity":
                new = step.get("reason") == "NEW_EPOCH"
                reason = pb.DISCONTINUITY_REASON_NEW_EPOCH if new else pb.DISCONTINUITY_REASON_HISTORY_TRIMMED
                message.discontinuity.CopyFrom(pb.WatchDiscontinuity(reason=reason, position=_place(step)))
            case _:
                message.events.CopyFrom(pb.WatchEvents(events=[_event(step)]))
        try:
            self.core.take(message, step.get("continued", False), self.now)
        except TooLateError:
            return {"reopen": True}
        return {}

    def revalidated(self, step: dict[str, Any]) -> None:
        if self.suspects is None:
            self.suspects = self.core.suspects(100, self.now)
        asked, suspects = self.suspects
        confirmed = None
        stamp = stamp_of(_as_of(step))
        if step.get("current") and stamp is not None:
            fresh = step.get("fresh_ms", 0) / 1000
            confirmed = Confirmation(stamp, fresh, fresh)
        for kept in suspects:
            if kept.content.key == step["key"]:
                self.core.confirm(asked, kept, confirmed)

    def followed(self, step: dict[str, Any]) -> dict[str, Any]:
        update = self.core.update(100)
        if update is None:
            return {"add": [], "remove": []}
        numbers = step.get("at", {})
        at = [(3, numbers.get("3", 0)), (_SETS, numbers.get("64", 0))]
        logs = [types.LogPosition(log=log, epoch=_EPOCH, number=number) for log, number in at]
        self.core.updated(update, types.Position(logs=logs))
        return {"add": sorted(update.add), "remove": sorted(update.remove)}

    def write(self, step: dict[str, Any]) -> dict[str, Any]:
        if step["step"] == "write_begins":
            sets = [Set.of(_selector(one)) for one in step["sets"]]
            self.writes[step["as"]] = sets
            self.core.wrote(sets)
        elif step["step"] == "write_answered":
            self.core.wrote(self.writes[step["to"]])
        elif self.core.may_have_written(self.writes[step["to"]]):
            return {"reopen": True}
        return {}


def _place(step: dict[str, Any]) -> types.Position:
    at = step.get("at", {})
    logs = [
        types.LogPosition(log=log, epoch=step.get("epoch", 0), number=at.get(str(log), 0)) for log in range(_SETS + 1)
    ]
    return types.Position(logs=logs)


def _as_of(step: dict[str, Any]) -> types.Position:
    epoch = step.get("epoch", 0)
    key = types.LogPosition(log=step.get("log", 0), epoch=epoch, number=step.get("number", 0))
    return types.Position(logs=[key, types.LogPosition(log=_SETS, epoch=epoch, number=step.get("sets", 0))])


def _event(step: dict[str, Any]) -> pb.WatchEvent:
    epoch, log, number = step.get("epoch", 0), step.get("log", 0), step.get("number", 0)
    event = pb.WatchEvent(
        type=pb.EVENT_TYPE_PUT,
        key=step.get("key", ""),
        position=types.LogPosition(log=log, epoch=epoch, number=number),
    )
    if "selector" in step:
        event.type = pb.EVENT_TYPE_SET_INVALIDATED
        event.selector.CopyFrom(_selector(step["selector"]))
    return event


def _selector(written: dict[str, Any]) -> types.Selector:
    if "all_tags" in written:
        return types.Selector(all_tags=types.TagSet(tags=written["all_tags"]))
    return types.Selector(**written)
