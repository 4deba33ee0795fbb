"""A right that was given once, and is asked for again when the contract log has changed: else numbers are compared.

A broker takes a right away by itself. Where an engine guards nothing, the running service does: what another process
took away by apply is refused at the next publish, the next batch and the next record read.
"""

from __future__ import annotations

from busline.bus.session import Session
from busline.contract.model import Action
from busline.names import ContractName


class Standing:
    """One service's right to one contract. seen: the log's generation in which it was last found to hold."""

    __slots__ = ("_action", "_name", "_session", "seen")

    def __init__(self, session: Session, action: Action, name: ContractName) -> None:
        self._session, self._action, self._name = session, action, name
        self.seen = session.log.generation

    def check(self) -> None:
        """Raises AccessDenied as long as it does not hold, ContractUnknown where the contract is gone."""
        generation = self._session.log.generation
        if generation != self.seen:
            self._session.allow(self._action, self._session.contract(self._name))
            self.seen = generation
