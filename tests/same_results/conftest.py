"""Keeps pytest out of this folder: it holds a program, and no tests."""

collect_ignore_glob = ["*"]
