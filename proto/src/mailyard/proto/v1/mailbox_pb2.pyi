from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class MailboxEvent(_message.Message):
    __slots__ = ("mailbox", "account", "highest_modseq", "uid_next", "origin")
    MAILBOX_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    HIGHEST_MODSEQ_FIELD_NUMBER: _ClassVar[int]
    UID_NEXT_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    mailbox: str
    account: str
    highest_modseq: int
    uid_next: int
    origin: str
    def __init__(self, mailbox: _Optional[str] = ..., account: _Optional[str] = ..., highest_modseq: _Optional[int] = ..., uid_next: _Optional[int] = ..., origin: _Optional[str] = ...) -> None: ...

class MailboxEventBatch(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[MailboxEvent]
    def __init__(self, events: _Optional[_Iterable[_Union[MailboxEvent, _Mapping]]] = ...) -> None: ...
