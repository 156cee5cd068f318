"""`mailyard setup`: everything that a first start needs, and nothing twice."""
