"""The small world that the starters know: its sentences, its pictures, and judges that use no model.

The trainings learn it and score by it; the product's tests judge by it. It needs no PyTorch, and nothing of
`senses_training`.
"""
