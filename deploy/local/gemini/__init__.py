"""A local stand-in for the Gemini API: the genuine wire protocol, pictures visibly edited, and failures on demand."""
