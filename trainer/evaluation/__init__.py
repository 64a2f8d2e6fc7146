"""Evaluation: what a trained bundle reaches, on conversations or on one branch's own data, and the paper's tables."""
