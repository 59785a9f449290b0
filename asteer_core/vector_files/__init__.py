"""Steering vectors as files: our safetensors, llama.cpp's GGUF control vectors, and directions of other tools.

Belongs here: reading, checking, writing. Does not: how a direction is found or applied (`asteer_core.methods`), or which model it is for.
Files are untrusted: whatever they hold, the answer is vectors or an `AsteerError`.
"""

from asteer_core.vector_files.artifacts import load_vectors, save_vectors
from asteer_core.vector_files.control_vector import write_control_vector
from asteer_core.vector_files.directions import Directions, describe, from_directions
from asteer_core.vector_files.reading import read_directions

__all__ = ["Directions", "describe", "from_directions", "load_vectors", "read_directions", "save_vectors", "write_control_vector"]
