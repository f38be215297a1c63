"""The command `embedding`, as functions over plain values.

Imports everything else; nothing imports it.
"""
