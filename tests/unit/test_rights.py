"""The rights that apply writes are what `decide` says, for every principal, contract and action: no less, no more."""

from hypothesis import Phase, given, settings

from busline.governance.state.rights import wanted_access
from busline.testing.access_states import TODAY, AccessState, access_states
from busline.transport.guard import USER, Acl, Resource

QUICK = settings(deadline=None, max_examples=50, phases=[Phase.explicit, Phase.reuse, Phase.generate])
"""A state is large by nature: made smaller, it takes minutes and says no more than the comparison that fails."""


def acls_of(state: AccessState) -> set[Acl]:
    return set(wanted_access(state.contracts, state.services, state.teams, TODAY).acls)


def covers(acl: Acl, name: str) -> bool:
    return name.startswith(acl.name) if acl.prefixed else name == acl.name


@QUICK
@given(states=access_states())
def test_rights_are_what_decide_says_both_ways(states: tuple[AccessState]) -> None:
    (state,) = states
    acls = acls_of(state)
    assert all(acl.allow and acl.host == "*" and acl.operation in ("read", "write") for acl in acls)
    assert {acl.principal for acl in acls} <= {USER + who for who in state.principals}
    groups = [
        group for who in state.principals for group in (who, *(f"{who}/{n}" for n in ("second", "~dlq", "~read")))
    ]
    identities = [f"{who}/one" for who in state.principals]
    for who in state.principals:
        own = [acl for acl in acls if acl.user == who]
        by_topic = {
            topic: {acl.operation for acl in own if acl.resource is Resource.TOPIC and covers(acl, topic)}
            for topic in state.topics(who)
        }
        assert by_topic == state.topics(who)
        used = {group for group in groups for acl in own if acl.resource is Resource.GROUP and covers(acl, group)}
        assert used == state.groups(who)
        taken = {i for i in identities for acl in own if acl.resource is Resource.TRANSACTIONAL_ID and covers(acl, i)}
        assert taken == state.transactions(who)


@QUICK
@given(states=access_states())
def test_a_right_to_a_topic_is_for_a_topic_that_a_contract_has(states: tuple[AccessState]) -> None:
    (state,) = states
    known = set().union(*(state.topics(who) for who in state.principals))
    assert {acl.name for acl in acls_of(state) if acl.resource is Resource.TOPIC} <= known
    assert not [acl for acl in acls_of(state) if acl.resource is Resource.TOPIC and acl.prefixed]
