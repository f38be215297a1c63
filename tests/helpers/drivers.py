"""A stand-in for the driver of NVIDIA's GPUs."""


def install_driver(folder, script):
    """Write a program "nvidia-smi" that runs a script of sh; return its path."""
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}")
    program.chmod(0o755)
    return program
