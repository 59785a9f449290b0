"""The project's own texts and models: a dialogue grammar, the concept data it yields, the small language models trained on it.

Only `train*.py` import torch; everything else here is text and numpy. Nothing outside this room needs it at run time:
what it makes is shipped under `data/`.
"""
