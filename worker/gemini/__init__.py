"""Gemini: portraits in, edited portraits and analyses out. The genuine client, made fast and with typed failures."""

from worker.gemini.client import Gemini, open_gemini
from worker.gemini.outcome import Analysis, Picture, Usage

__all__ = ["Analysis", "Gemini", "Picture", "Usage", "open_gemini"]
