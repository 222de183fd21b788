"""Every error a user can meet, in one tree.

RagAppError
├── UsageError                 wrong use or settings (exit 2)
│   ├── SettingsError
│   └── UnknownName            a model, paper or command that does not exist; carries the nearest names
│       ├── ModelNotInstalled  the server does not have it; carries the nearest installed names
│       └── ModelUnsuitable    it cannot do what its role needs: see pictures, embed, run on this server
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
├── ModelError                 `again`: whether the same request may succeed later
│   ├── WeightsMissing
│   ├── ModelUnreachable       no server answers at its address, or the connection broke (again)
│   ├── ModelBusy              the server has too much to do (again)
│   ├── ModelTimeout           no first word, or no next one, in time (again)
│   ├── ModelFailed            the server or the model broke down: out of memory, crashed (again)
│   ├── IncompleteReply        the reply ended before its end, or went round in circles (again)
│   ├── UnusableReply          complete, but not what was asked for: no JSON, another shape (again)
│   ├── PromptTooLong          prompt and pictures do not fit the model's context
│   └── RequestRefused         the server does not accept the request: sign-in, access, a picture it cannot read
├── ClusterError               no Ray cluster there, it was lost, or a node of it cannot take part
└── LibraryError
    ├── LibraryNotFound
    ├── LibraryBusy            another process is writing
    ├── LibraryDamaged         what SQLite holds cannot be read
    ├── LibraryTooNew          written by a later version
    ├── LibraryReadOnly
    ├── DiskFull
    ├── SpaceMismatch          vectors of another model or dimension
    ├── VectorsUnavailable     the Milvus that holds their copy does not answer, refuses, or failed
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


class ModelNotInstalled(UnknownName):
    pass


class ModelUnsuitable(UnknownName):
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
    again = False


class WeightsMissing(ModelError):
    pass


class ModelUnreachable(ModelError):
    again = True


class ModelBusy(ModelError):
    again = True


class ModelTimeout(ModelError):
    again = True


class ModelFailed(ModelError):
    again = True


class IncompleteReply(ModelError):
    again = True


class UnusableReply(ModelError):
    again = True


class PromptTooLong(ModelError):
    pass


class RequestRefused(ModelError):
    pass


class ClusterError(RagAppError):
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


class VectorsUnavailable(LibraryError):
    pass


class UnknownDocument(LibraryError):
    exit_code = 2
