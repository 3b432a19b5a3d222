"""From a photo and a prompt to an edited picture: an obvious drawing of what was asked for."""

from deploy.local.gemini.edits.paint import edit_picture
from deploy.local.gemini.edits.photo import Picture, UnreadablePhotoError
from deploy.local.gemini.edits.recognise import Edit, recognise

__all__ = ["Edit", "Picture", "UnreadablePhotoError", "edit_picture", "recognise"]
