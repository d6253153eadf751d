"""Console pages of the service desk."""
