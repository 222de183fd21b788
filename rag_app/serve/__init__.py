"""The local web page: the library, questions, pages and pictures in a browser on this machine."""
