"""`python -m deconvjax demo`: photographs through a camera, and a deconvolution layer that learns to undo it."""
