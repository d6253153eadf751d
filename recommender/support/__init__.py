"""Service desk: questions answered from templates, passages and products, or handed over."""
