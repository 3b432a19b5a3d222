"""Drawing people: what the sample portrait and the Gemini stand-in's edits have in common."""
