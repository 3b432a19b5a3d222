"""Simulated users: real tokens, photos through Storage, everything else through the intake.

Whatever the intake answers is fine while things fail, but for what it promised: that is remembered.
"""

from collections.abc import Mapping
from hashlib import md5, sha256
from typing import Any
from uuid import UUID

import httpx

from tests.chaos.photos import photo
from tests.chaos.world import World

PLANS = (1, 1, 1, 3, 3, 4)
PHOTOS = 3
CREDITS = 2000


class User:
    """One person, who does one thing after another."""

    def __init__(self, world: World, number: int, identity: UUID) -> None:
        self._world = world
        self._number = number
        self._id = identity
        self._headers = {"Authorization": f"Bearer {world.token(identity)}"}
        self._paths: list[str] = []
        self._asked: list[tuple[str, str, dict[str, Any]]] = []
        self._known: list[str] = []
        self._pictures = 0
        self._newest = ""

    @classmethod
    async def sign_up(cls, world: World, number: int) -> "User":
        """With a plan, credits and photos."""
        user = cls(world, number, await world.accounts.user(PLANS[number % len(PLANS)], CREDITS))
        for name in range(PHOTOS):
            user._paths.append(await user._upload(f"photo-{name}.jpg"))
        return user

    async def act(self, action: str, detail: Mapping[str, Any]) -> None:
        """Do it, or nothing where there is nothing to do it to. Never raises because a service is away."""
        self._world.counts[f"user: {action}"] += 1
        try:
            await getattr(self, f"_{action}")(detail)
        except httpx.HTTPError as error:
            self._world.counts[f"client: {type(error).__name__}"] += 1

    async def ask_for(self, tool: str, parameters: dict[str, Any]) -> tuple[UUID, str]:
        """Submit with a photo of its own; answers the generation's id and the photo's SHA-256."""
        path = await self._upload(f"photo-{self._pictures}.jpg")
        await self._ask(path, tool, parameters, wait=False)
        return UUID(self._known[-1]), self._world.photos[self._newest]

    async def _submit(self, detail: Mapping[str, Any]) -> None:
        path = _pick(self._paths, detail["choice"])
        await self._ask(path, detail["tool"], detail["parameters"], wait=detail["wait"])

    async def _repeat(self, detail: Mapping[str, Any]) -> None:
        if self._asked:
            await self._ask(*_pick(self._asked[-6:], detail["choice"]), wait=False)

    async def _cancel(self, detail: Mapping[str, Any]) -> None:
        if self._known:
            recent = self._known[-4:]
            await self._call("POST", f"/v1/generations/{_pick(recent, detail['choice'])}/cancel")

    async def _delete(self, detail: Mapping[str, Any]) -> None:
        if self._known:
            chosen = _pick(self._known, detail["choice"])
            # Before the call: when its answer is lost, it may have happened all the same.
            self._world.deleted.add(UUID(chosen))
            await self._call("DELETE", f"/v1/generations/{chosen}")

    async def _look(self, _: Mapping[str, Any]) -> None:
        await self._call("GET", "/v1/generations")

    async def _replace(self, detail: Mapping[str, Any]) -> None:
        await self._upload(_pick(self._paths, detail["choice"]).rpartition("/")[2])

    async def _ask(self, path: str, tool: str, parameters: dict[str, Any], *, wait: bool) -> None:
        self._asked.append((path, tool, parameters))
        body: dict[str, Any] = {"originalImageStoragePath": path}
        if tool != "analysis":
            body |= {"toolId": tool, "toolParameters": parameters}
        route = "/v1/analyze-face" if tool == "analysis" else "/v1/process-image"
        answer = await self._call("POST", route, json=body, headers={"Prefer": "wait=3"} if wait else {})
        if answer.status_code in (200, 202):
            found = answer.json()
            self._world.counts["intake: cached" if found["cached"] else "intake: accepted"] += 1
            self._world.accepted.add(UUID(found["id"]))
            if found["id"] not in self._known:
                self._known.append(found["id"])

    async def _call(self, method: str, path: str, **request: Any) -> httpx.Response:
        headers = {**self._headers, **request.pop("headers", {})}
        answer = await self._world.http.request(method, self._world.stack.intake_url + path, headers=headers, **request)
        self._world.counts[f"intake: {answer.status_code}"] += 1
        return answer

    async def _upload(self, name: str) -> str:
        content = photo(self._number * 1000 + self._pictures)
        self._pictures += 1
        self._newest = md5(content, usedforsecurity=False).hexdigest()
        self._world.photos[self._newest] = sha256(content).hexdigest()
        path = f"{self._id}/{name}"
        await self._world.http.post(
            f"{self._world.stack.supabase_url}/storage/v1/object/user_uploads/{path}",
            content=content,
            headers={
                **self._headers,
                "apikey": self._world.stack.publishable_key,
                "Content-Type": "image/jpeg",
                "x-upsert": "true",
            },
        )
        return path


def _pick(these: list[Any], choice: float) -> Any:
    return these[int(choice * len(these))]
