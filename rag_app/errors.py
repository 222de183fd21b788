"""Every error a user can meet, in one tree.

RagAppError
├── UsageError                 wrong use or settings (exit 2)
│   ├── SettingsError
│   └── UnknownName            a model, paper or command that does not exist; carries the nearest names
├── InputError                 a file we were given cannot be read
│   ├── NotAPaper              not a PDF or picture, whatever its name says
│   ├── EmptyFile
│   ├── EncryptedPdf           needs a password, or the password is wrong
│   ├── CorruptPdf
│   ├── CorruptPicture
│   └── TooLarge               over a stated limit
├── ParsingError               the parser, not the file's format, failed
│   ├── ParsingTimeout
│   ├── ParsingMemory
│   └── ParserCrashed
├── ModelError
│   ├── WeightsMissing
│   └── ModelFailed
└── LibraryError
    ├── LibraryNotFound
    ├── LibraryBusy            another process is writing
    ├── LibraryDamaged         what SQLite holds cannot be read
    ├── LibraryTooNew          written by a later version
    ├── LibraryReadOnly
    ├── DiskFull
    ├── SpaceMismatch          vectors of another model or dimension
    └── UnknownDocument

A message is one sentence that says what failed, the value, and the next step.
"""

from __future__ import annotations


class RagAppError(Exception):
    """Base of all errors shown to a user; `exit_code` is what the command line returns."""

    exit_code = 1


class UsageError(RagAppError):
    exit_code = 2


class SettingsError(UsageError):
    pass


class UnknownName(UsageError):
    pass


class InputError(RagAppError):
    pass


class NotAPaper(InputError):
    pass


class EmptyFile(InputError):
    pass


class EncryptedPdf(InputError):
    pass


class CorruptPdf(InputError):
    pass


class CorruptPicture(InputError):
    pass


class TooLarge(InputError):
    pass


class ParsingError(RagAppError):
    pass


class ParsingTimeout(ParsingError):
    pass


class ParsingMemory(ParsingError):
    pass


class ParserCrashed(ParsingError):
    pass


class ModelError(RagAppError):
    pass


class WeightsMissing(ModelError):
    pass


class ModelFailed(ModelError):
    pass


class LibraryError(RagAppError):
    pass


class LibraryNotFound(LibraryError):
    pass


class LibraryBusy(LibraryError):
    pass


class LibraryDamaged(LibraryError):
    pass


class LibraryTooNew(LibraryError):
    pass


class LibraryReadOnly(LibraryError):
    pass


class DiskFull(LibraryError):
    pass


class SpaceMismatch(LibraryError):
    pass


class UnknownDocument(LibraryError):
    exit_code = 2
