"""One google-genai client per process, and the two calls that Sparky makes with it.

A call is made once: whether it is repeated is decided by its failure and the queue. It has `GEMINI_TIMEOUT_SECONDS`.
"""

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

import httpx
from google import genai
from google.genai import types

from schemas.analysis import AnalysisResult
from schemas.settings import Settings
from worker import prompts
from worker.gemini.outcome import Analysis, Picture, analysis_of, failure_of, picture_of
from worker.gemini.splice import SOURCE_MARKER, Exchange, SplicingTransport, TurnGate, current_exchange
from worker.photos import Photo

# A picture of the largest size sold, in base64, and room for the rest of the answer.
_MAX_ANSWER_BYTES: Final = 40 * 2**20

_Outcome = TypeVar("_Outcome", Picture, Analysis)
_NO_FUNCTIONS: Final = types.AutomaticFunctionCallingConfig(disable=True)
_PICTURE_CONFIG: Final = types.GenerateContentConfig(
    response_modalities=["IMAGE"], automatic_function_calling=_NO_FUNCTIONS
)
_ANALYSIS_CONFIG: Final = types.GenerateContentConfig(
    temperature=0.0,
    response_mime_type="application/json",
    response_schema=AnalysisResult,
    automatic_function_calling=_NO_FUNCTIONS,
)


class Gemini:
    """Open with `open_gemini`, close with `close`."""

    def __init__(self, client: genai.Client, http: httpx.AsyncClient, gate: TurnGate, timeout: float) -> None:
        self._client = client
        self._http = http
        self._gate = gate
        self._timeout = timeout

    async def edit(self, model: str, photo: Photo, prompt: str) -> Picture:
        """The photo changed as the prompt says. Raises `AttemptError`."""
        return await self._generate(model, photo, prompt, _PICTURE_CONFIG, picture_of)

    async def analyse(self, model: str, photo: Photo) -> Analysis:
        """The analysis of the face in the photo. Raises `AttemptError`."""
        return await self._generate(model, photo, prompts.ANALYSIS, _ANALYSIS_CONFIG, analysis_of)

    async def close(self) -> None:
        await self._client.aio.aclose()
        await self._http.aclose()
        self._client.close()

    async def _generate(
        self,
        model: str,
        photo: Photo,
        prompt: str,
        config: types.GenerateContentConfig,
        outcome: Callable[[types.GenerateContentResponse, Exchange], _Outcome],
    ) -> _Outcome:
        await self._gate.passed()
        exchange = Exchange(photo.content)
        token = current_exchange.set(exchange)
        picture = types.Part(inline_data=types.Blob(data=SOURCE_MARKER, mime_type=photo.header.mime_type))
        contents = types.Content(role="user", parts=[picture, types.Part(text=prompt)])
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._client.aio.models.generate_content(model=model, contents=contents, config=config)
            return outcome(response, exchange)
        except Exception as error:
            failure = failure_of(error)
            if failure is None:
                raise
            raise failure from error
        finally:
            current_exchange.reset(token)


def open_gemini(settings: Settings) -> Gemini:
    """Make the client; nothing is sent yet. Raises `ValueError` when there is no API key. Needs a running loop."""
    if settings.gemini_api_key is None:
        raise ValueError("GEMINI_API_KEY is not set")
    gate = TurnGate()
    http = httpx.AsyncClient(
        transport=SplicingTransport(_MAX_ANSWER_BYTES, gate),
        # Base64 gains a quarter by compression, and costs several times the CPU of everything else.
        headers={"Accept-Encoding": "identity"},
    )
    client = genai.Client(
        vertexai=False,
        api_key=settings.gemini_api_key.get_secret_value(),
        http_options=types.HttpOptions(
            base_url=settings.gemini_base_url,
            api_version=settings.gemini_api_version,
            timeout=int(settings.gemini_timeout_seconds * 1000),
            retry_options=types.HttpRetryOptions(attempts=1),
            httpx_async_client=http,
        ),
    )
    return Gemini(client, http, gate, settings.gemini_timeout_seconds)
