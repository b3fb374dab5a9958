"""Measurements: one command each, real servers, results beside their targets."""
