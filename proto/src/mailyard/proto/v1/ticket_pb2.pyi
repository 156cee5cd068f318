from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Action(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACTION_UNSPECIFIED: _ClassVar[Action]
    ACTION_PASS: _ClassVar[Action]
    ACTION_TAG: _ClassVar[Action]
    ACTION_QUARANTINE: _ClassVar[Action]
    ACTION_REJECT: _ClassVar[Action]
    ACTION_DISCARD: _ClassVar[Action]

class MailClass(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MAIL_CLASS_UNSPECIFIED: _ClassVar[MailClass]
    MAIL_CLASS_URGENT: _ClassVar[MailClass]
    MAIL_CLASS_NORMAL: _ClassVar[MailClass]
    MAIL_CLASS_BULK: _ClassVar[MailClass]
ACTION_UNSPECIFIED: Action
ACTION_PASS: Action
ACTION_TAG: Action
ACTION_QUARANTINE: Action
ACTION_REJECT: Action
ACTION_DISCARD: Action
MAIL_CLASS_UNSPECIFIED: MailClass
MAIL_CLASS_URGENT: MailClass
MAIL_CLASS_NORMAL: MailClass
MAIL_CLASS_BULK: MailClass

class Recipient(_message.Message):
    __slots__ = ("address", "origin", "tenant", "account", "notify", "orcpt", "detail", "index")
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    NOTIFY_FIELD_NUMBER: _ClassVar[int]
    ORCPT_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    address: str
    origin: int
    tenant: str
    account: str
    notify: str
    orcpt: str
    detail: str
    index: int
    def __init__(self, address: _Optional[str] = ..., origin: _Optional[int] = ..., tenant: _Optional[str] = ..., account: _Optional[str] = ..., notify: _Optional[str] = ..., orcpt: _Optional[str] = ..., detail: _Optional[str] = ..., index: _Optional[int] = ...) -> None: ...

class Finding(_message.Message):
    __slots__ = ("check", "rule", "action", "text", "score", "status", "header_fields")
    CHECK_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    HEADER_FIELDS_FIELD_NUMBER: _ClassVar[int]
    check: str
    rule: str
    action: Action
    text: str
    score: float
    status: str
    header_fields: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, check: _Optional[str] = ..., rule: _Optional[str] = ..., action: _Optional[_Union[Action, str]] = ..., text: _Optional[str] = ..., score: _Optional[float] = ..., status: _Optional[str] = ..., header_fields: _Optional[_Iterable[bytes]] = ...) -> None: ...

class Origin(_message.Message):
    __slots__ = ("source", "client_address", "client_name", "helo", "protocol", "tls_version", "tls_cipher", "account", "login", "certificate_subject")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    CLIENT_NAME_FIELD_NUMBER: _ClassVar[int]
    HELO_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    TLS_VERSION_FIELD_NUMBER: _ClassVar[int]
    TLS_CIPHER_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    LOGIN_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_SUBJECT_FIELD_NUMBER: _ClassVar[int]
    source: str
    client_address: str
    client_name: str
    helo: str
    protocol: str
    tls_version: str
    tls_cipher: str
    account: str
    login: str
    certificate_subject: str
    def __init__(self, source: _Optional[str] = ..., client_address: _Optional[str] = ..., client_name: _Optional[str] = ..., helo: _Optional[str] = ..., protocol: _Optional[str] = ..., tls_version: _Optional[str] = ..., tls_cipher: _Optional[str] = ..., account: _Optional[str] = ..., login: _Optional[str] = ..., certificate_subject: _Optional[str] = ...) -> None: ...

class Verdict(_message.Message):
    __slots__ = ("action", "findings", "header_fields", "status", "text", "defects")
    ACTION_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    HEADER_FIELDS_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    DEFECTS_FIELD_NUMBER: _ClassVar[int]
    action: Action
    findings: _containers.RepeatedCompositeFieldContainer[Finding]
    header_fields: bytes
    status: str
    text: str
    defects: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, action: _Optional[_Union[Action, str]] = ..., findings: _Optional[_Iterable[_Union[Finding, _Mapping]]] = ..., header_fields: _Optional[bytes] = ..., status: _Optional[str] = ..., text: _Optional[str] = ..., defects: _Optional[_Iterable[str]] = ...) -> None: ...

class TimelineEntry(_message.Message):
    __slots__ = ("at_ms", "stage", "event", "detail")
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    at_ms: int
    stage: str
    event: str
    detail: str
    def __init__(self, at_ms: _Optional[int] = ..., stage: _Optional[str] = ..., event: _Optional[str] = ..., detail: _Optional[str] = ...) -> None: ...

class Ticket(_message.Message):
    __slots__ = ("spool_id", "leg", "epoch", "tenant", "mail_class", "attempt", "released_at_ms", "traceparent", "accepted_at_ms", "sender", "recipients", "blob_id", "size", "prefix", "verdict", "timeline", "site", "ret", "envid", "smtputf8", "body", "expanded", "source", "origin", "findings")
    SPOOL_ID_FIELD_NUMBER: _ClassVar[int]
    LEG_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    MAIL_CLASS_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    RELEASED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    RECIPIENTS_FIELD_NUMBER: _ClassVar[int]
    BLOB_ID_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    TIMELINE_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    RET_FIELD_NUMBER: _ClassVar[int]
    ENVID_FIELD_NUMBER: _ClassVar[int]
    SMTPUTF8_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    EXPANDED_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    spool_id: str
    leg: int
    epoch: int
    tenant: str
    mail_class: MailClass
    attempt: int
    released_at_ms: int
    traceparent: str
    accepted_at_ms: int
    sender: str
    recipients: _containers.RepeatedCompositeFieldContainer[Recipient]
    blob_id: bytes
    size: int
    prefix: bytes
    verdict: Verdict
    timeline: _containers.RepeatedCompositeFieldContainer[TimelineEntry]
    site: str
    ret: str
    envid: str
    smtputf8: bool
    body: str
    expanded: int
    source: str
    origin: Origin
    findings: _containers.RepeatedCompositeFieldContainer[Finding]
    def __init__(self, spool_id: _Optional[str] = ..., leg: _Optional[int] = ..., epoch: _Optional[int] = ..., tenant: _Optional[str] = ..., mail_class: _Optional[_Union[MailClass, str]] = ..., attempt: _Optional[int] = ..., released_at_ms: _Optional[int] = ..., traceparent: _Optional[str] = ..., accepted_at_ms: _Optional[int] = ..., sender: _Optional[str] = ..., recipients: _Optional[_Iterable[_Union[Recipient, _Mapping]]] = ..., blob_id: _Optional[bytes] = ..., size: _Optional[int] = ..., prefix: _Optional[bytes] = ..., verdict: _Optional[_Union[Verdict, _Mapping]] = ..., timeline: _Optional[_Iterable[_Union[TimelineEntry, _Mapping]]] = ..., site: _Optional[str] = ..., ret: _Optional[str] = ..., envid: _Optional[str] = ..., smtputf8: _Optional[bool] = ..., body: _Optional[str] = ..., expanded: _Optional[int] = ..., source: _Optional[str] = ..., origin: _Optional[_Union[Origin, _Mapping]] = ..., findings: _Optional[_Iterable[_Union[Finding, _Mapping]]] = ...) -> None: ...

class JudgeRequest(_message.Message):
    __slots__ = ("legs", "octets")
    LEGS_FIELD_NUMBER: _ClassVar[int]
    OCTETS_FIELD_NUMBER: _ClassVar[int]
    legs: _containers.RepeatedCompositeFieldContainer[Ticket]
    octets: bytes
    def __init__(self, legs: _Optional[_Iterable[_Union[Ticket, _Mapping]]] = ..., octets: _Optional[bytes] = ...) -> None: ...

class JudgeResponse(_message.Message):
    __slots__ = ("verdicts",)
    VERDICTS_FIELD_NUMBER: _ClassVar[int]
    verdicts: _containers.RepeatedCompositeFieldContainer[Verdict]
    def __init__(self, verdicts: _Optional[_Iterable[_Union[Verdict, _Mapping]]] = ...) -> None: ...

class TicketBatch(_message.Message):
    __slots__ = ("tickets",)
    TICKETS_FIELD_NUMBER: _ClassVar[int]
    tickets: _containers.RepeatedCompositeFieldContainer[Ticket]
    def __init__(self, tickets: _Optional[_Iterable[_Union[Ticket, _Mapping]]] = ...) -> None: ...
