"""The door to training/: the only room that imports the library.

It imports it inside functions, because numpy, scipy and lightgbm take seconds to load. Serving
needs no torch.
"""
