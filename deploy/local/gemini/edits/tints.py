"""The tools that change a colour: hair, eyes, skin."""

from PIL import Image

from deploy.local.drawing import face
from deploy.local.drawing.canvas import Colour, Pen
from deploy.local.gemini.edits.regions import hair_mask, skin_mask, tint


def recolour(image: Image.Image, tool: str, colour: Colour) -> None:
    if tool == "hair-color":
        tint(image, colour, hair_mask(image))
    elif tool == "skin-color":
        tint(image, colour, skin_mask(image))
    else:
        pen = Pen(image)
        for eye in face.EYES:
            face.draw_iris(pen, eye, colour)
