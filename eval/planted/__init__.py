"""Readings with one planted error, and right readings spelled differently, made from a right one with a seed."""
