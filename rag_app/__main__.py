"""`python -m rag_app`: the same as `rag-app`."""

from rag_app.cli.main import main

if __name__ == "__main__":
    main()
