# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A volume that three hosts keep: made once, told apart from another one, waited for, asked for."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.gluster import Brick, Gluster, Wanted
from unit.plugins.module_utils.toy_gluster import HOSTS, PATH, ToyGluster

WANTED = Wanted("portal", HOSTS, PATH, False, {"client.ssl": "on", "network.ping-timeout": "10"})


@pytest.fixture(name="toy")
def three_hosts() -> ToyGluster:
    return ToyGluster()


@pytest.fixture(name="gluster")
def command(toy: ToyGluster) -> Gluster:
    return Gluster(toy.run, now=lambda: toy.clock, pause=toy.pause)


def test_a_volume_is_made_once(toy: ToyGluster, gluster: Gluster) -> None:
    assert gluster.join(HOSTS[0], HOSTS, dry=True) == list(HOSTS[1:])
    assert gluster.bring(WANTED, dry=True)[0] == "created the volume portal of 3 hosts"
    assert toy.told == []
    assert gluster.join(HOSTS[0], HOSTS) == list(HOSTS[1:])
    assert gluster.bring(WANTED) == [
        "created the volume portal of 3 hosts",
        "set client.ssl, network.ping-timeout",
        "started portal",
    ]
    bricks = " ".join(f"{host}:{PATH}" for host in HOSTS)
    # What encrypts is set before anybody can use it.
    assert toy.told == [
        f"peer probe {HOSTS[1]}",
        f"peer probe {HOSTS[2]}",
        f"volume create portal replica 3 {bricks} force",
        "volume set portal client.ssl on network.ping-timeout 10",
        "volume start portal",
    ]
    gluster.wait_until_whole(WANTED, 5)
    assert (gluster.join(HOSTS[0], HOSTS), gluster.bring(WANTED)) == ([], [])


def test_the_last_host_may_keep_names_alone(toy: ToyGluster, gluster: Gluster) -> None:
    gluster.bring(WANTED._replace(arbiter=True))
    assert "volume create portal replica 3 arbiter 1 " in toy.told[0]
    with pytest.raises(BoxliftError, match="the last one an arbiter"):
        gluster.bring(WANTED)


def test_an_option_that_differs_is_set_and_others_stay(toy: ToyGluster, gluster: Gluster) -> None:
    gluster.bring(WANTED)
    toy.options.update({"client.ssl": "off", "nfs.disable": "on"})
    assert gluster.bring(WANTED) == ["set client.ssl"]
    assert toy.options["nfs.disable"] == "on"


def test_nothing_is_moved_by_itself(toy: ToyGluster, gluster: Gluster) -> None:
    gluster.bring(WANTED)
    before = list(toy.told)
    with pytest.raises(BoxliftError, match="has the bricks 192.0.2.1:/srv/g/portal, .* and not 192.0.2.2:") as refused:
        gluster.bring(WANTED._replace(hosts=(HOSTS[1], HOSTS[0], HOSTS[2])))
    assert "gluster_lost" in refused.value.remedy
    assert toy.told == before


def test_a_host_that_is_lost_is_replaced(toy: ToyGluster, gluster: Gluster) -> None:
    gluster.join(HOSTS[0], HOSTS)
    gluster.bring(WANTED)
    wanted = WANTED._replace(hosts=(HOSTS[0], "192.0.2.4", HOSTS[2]), options={"auth.ssl-allow": "new"})
    gluster.join(HOSTS[0], wanted.hosts)
    toy.told = []
    # It answers still; or nobody knows.
    with pytest.raises(BoxliftError, match=f"not say that {HOSTS[1]} is away"):
        gluster.bring(wanted, HOSTS[1])
    toy.peers.remove(HOSTS[1])
    with pytest.raises(BoxliftError, match=f"not say that {HOSTS[1]} is away"):
        gluster.bring(wanted, HOSTS[1])
    toy.peers.append(HOSTS[1])
    toy.away.add(HOSTS[1])
    # Another one than the one that is said to be lost would go.
    with pytest.raises(BoxliftError, match="has the bricks"):
        gluster.bring(wanted, HOSTS[2])
    said = ["set auth.ssl-allow", f"gave the part of {HOSTS[1]}:{PATH} to 192.0.2.4:{PATH}", f"forgot {HOSTS[1]}"]
    assert gluster.bring(wanted, HOSTS[1], dry=True) == said
    assert toy.told == []
    assert gluster.bring(wanted, HOSTS[1]) == said
    # A host without a right in the volume could not take a part of it.
    assert toy.told == [
        "volume set portal auth.ssl-allow new",
        f"volume replace-brick portal {HOSTS[1]}:{PATH} 192.0.2.4:{PATH} commit force",
        f"peer detach {HOSTS[1]} force",
    ]
    assert gluster.bring(wanted, HOSTS[1]) == []


def test_hosts_that_share_the_files_out_are_refused(toy: ToyGluster, gluster: Gluster) -> None:
    gluster.bring(WANTED)
    toy.copies, before = 1, list(toy.told)
    with pytest.raises(BoxliftError, match="keeps each file 1 times on its 3 bricks") as refused:
        gluster.bring(WANTED)
    assert "gluster_path" in refused.value.remedy
    assert toy.told == before


def test_a_volume_of_more_hosts_is_refused(toy: ToyGluster, gluster: Gluster) -> None:
    gluster.bring(WANTED)
    toy.bricks += [f"192.0.2.{number}:{PATH}" for number in (4, 5, 6)]
    with pytest.raises(BoxliftError, match="has the bricks .*192.0.2.6"):
        gluster.bring(WANTED)


def test_a_host_that_does_not_answer_is_named(toy: ToyGluster, gluster: Gluster) -> None:
    toy.away.add(HOSTS[2])
    with pytest.raises(BoxliftError, match=f"{HOSTS[2]} of the storage does not answer {HOSTS[0]} after 60 s"):
        gluster.join(HOSTS[0], HOSTS)


def test_whoever_waits_sees_what_is_missing(toy: ToyGluster, gluster: Gluster) -> None:
    gluster.bring(WANTED)
    toy.away.add(HOSTS[1])
    with pytest.raises(BoxliftError, match=f"not whole after 5 s: {HOSTS[1]}:{PATH} is away") as refused:
        gluster.wait_until_whole(WANTED, 5)
    assert "Take no other storage host away" in refused.value.remedy
    toy.away.clear()
    toy.unhealed = 3
    with pytest.raises(BoxliftError, match=f"{HOSTS[0]}:{PATH} knows 3 files that others have not got yet"):
        gluster.wait_until_whole(WANTED, 5)
    toy.healed_at, toy.told = toy.clock + 24, []
    gluster.wait_until_whole(WANTED, 30)
    # By themselves the hosts look now and then.
    assert toy.told == ["volume heal portal"] * 3
    toy.split = 1
    with pytest.raises(BoxliftError, match="has 1 files of which the hosts have different contents"):
        gluster.wait_until_whole(WANTED, 5)


def test_whoever_waits_outlives_a_refusal(toy: ToyGluster, gluster: Gluster) -> None:
    gluster.bring(WANTED)
    toy.refuses_until = 3
    gluster.wait_until_whole(WANTED, 10)
    toy.refuses_until = float("inf")
    with pytest.raises(BoxliftError, match="not whole after 5 s: gluster volume status portal: Another transaction"):
        gluster.wait_until_whole(WANTED, 5)


def test_a_refusal_and_silence_are_told_apart(toy: ToyGluster, gluster: Gluster) -> None:
    with pytest.raises(BoxliftError, match="gluster volume status portal: Volume portal does not exist."):
        gluster.bricks("portal")
    toy.silent = True
    with pytest.raises(BoxliftError, match="gluster peer status: Connection failed. Please check") as refused:
        gluster.peers()
    assert "glusterd.service" in refused.value.remedy


def test_another_host_can_be_asked(toy: ToyGluster, gluster: Gluster) -> None:
    gluster.bring(WANTED)
    asked: list[t.Sequence[str]] = []
    elsewhere = Gluster(lambda words: (asked.append(words), toy.run(words))[1], host=HOSTS[1])
    assert elsewhere.bricks("portal")[0] == Brick(HOSTS[0], PATH, True, 1000, 400)
    assert asked[0][:2] == ["timeout", "20"] and f"--remote-host={HOSTS[1]}" in asked[0]
