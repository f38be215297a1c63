"""`python -m sklearn_resnet` is the command `embedding`."""

from sklearn_resnet.cli.main import main

if __name__ == "__main__":
    main(prog_name="embedding")
