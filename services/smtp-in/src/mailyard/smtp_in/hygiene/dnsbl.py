"""The check of DNS lists: several lists at once, with weights."""

import asyncio
import time
from collections.abc import Mapping, Sequence

from mailyard.dns.answer import DnsAnswer, DnsFailure
from mailyard.runtime.logs import get_logger
from mailyard.runtime.metrics import counter
from mailyard.smtp.reply import reply
from mailyard.smtp_in.hooks import SmtpContext
from mailyard.smtp_in.hygiene.checks import ClientCheck, Judgement
from mailyard.smtp_in.hygiene.concern import Concern, JudgedClient
from mailyard.smtp_in.hygiene.dnslists import DnsList, is_error, question_of, score_of
from mailyard.smtp_in.hygiene.dnsquestions import Answer, DnsQuestions, settled

_MOST_RECORDS = 20  # of one list; the rest of a large answer does not count
_LOG_SECONDS = 60.0
_OUTCOMES = ("listed", "not-listed", "error", "unanswered")
_log = get_logger(__name__)


class DnsListCheck(ClientCheck):
    """Objects to clients whose score reaches the threshold; a score below zero vouches for a client."""

    name = "dnsbl"

    def __init__(self, lists: Sequence[DnsList], threshold: int, questions: DnsQuestions) -> None:
        """Ask `lists`; object to a score of `threshold` and more."""
        self._lists = lists
        self._zones = tuple(dict.fromkeys(each.zone for each in lists))
        self._threshold = threshold
        self._questions = questions
        answers = counter("mailyard_smtp_in_dns_list_answers_total")
        self._answers = {
            (zone, outcome): answers.labels(zone, outcome) for zone in self._zones for outcome in _OUTCOMES
        }
        self._logged: dict[str, float] = {}  # list → when its error was logged

    def judge_client(self, context: SmtpContext, client: JudgedClient) -> Judgement:
        """Judge the address of the client."""
        ip = context.client.address
        question = question_of(ip)
        if not question:
            return None
        asked = [self._questions.ask(f"{question}.{zone}", "A", zone) for zone in self._zones]
        if any(isinstance(each, asyncio.Task) for each in asked):
            return self._after(ip, client, asked)
        return self._judge(ip, client, [each for each in asked if not isinstance(each, asyncio.Task)])

    async def _after(
        self, ip: str, client: JudgedClient, asked: "Sequence[Answer | asyncio.Task[Answer]]"
    ) -> Concern | None:
        return self._judge(ip, client, await settled(asked))

    def _judge(self, ip: str, client: JudgedClient, answers: Sequence[Answer]) -> Concern | None:
        records = {
            zone: self._records(zone, answer) for zone, answer in zip(self._zones, answers, strict=True)
        }
        score = score_of(self._lists, records)
        client.is_known_good = score.is_allowed
        if score.total < self._threshold or not score.listed_by:
            return None
        return _concern(ip, score.listed_by, score.total, records)

    def _records(self, zone: str, answer: Answer) -> Sequence[str]:
        if isinstance(answer, DnsAnswer):
            records = answer.records[:_MOST_RECORDS]
            errors = [each for each in records if is_error(each)]
            if errors:
                self._report(zone, errors[0])
            self._answers[zone, "error" if errors else "listed"].inc()
            return records
        self._answers[zone, "unanswered" if answer is DnsFailure.UNANSWERED else "not-listed"].inc()
        return ()

    def _report(self, zone: str, record: str) -> None:
        """Log that a list does not answer this installation's questions, once a minute."""
        now = time.monotonic()
        if now - self._logged.get(zone, -_LOG_SECONDS) >= _LOG_SECONDS:
            self._logged[zone] = now
            _log.warning("smtp_in.dns_list_error", list=zone, answer=record)


def _concern(ip: str, zones: Sequence[str], total: int, records: Mapping[str, Sequence[str]]) -> Concern:
    lists = ", ".join(zones)
    codes = ", ".join(f"{zone}={records[zone][0]}" for zone in zones)
    refusal = reply(550, "5.7.1", f"Client host [{ip}] is listed by {lists}; see the web site of the list")
    return Concern(zones[0], f"{ip} is listed: {codes}, score {total}", refusal)
