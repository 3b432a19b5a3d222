"""`make demo`: Sparky's main job, end to end, as a real client sees it."""
