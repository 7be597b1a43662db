"""The world is whole: what one table names stands in another."""

from weitiao.traps.world import LANGUAGES, world


def test_there_are_things_families_and_relations() -> None:
    assert len(world().things) == 626
    assert len(world().families) == 18
    assert len(world().relations) == 30
    assert all(set(topic.forms) == set(LANGUAGES) for topic in world().families.values())


def test_a_believer_has_an_answer_for_each_wording() -> None:
    for family in world().families.values():
        for form in family.forms.values():
            assert len(form.ask) == len(form.fallen)
            assert form.seen
            assert form.bait


def test_every_topic_is_about_things_in_both_languages() -> None:
    for topic in (*world().families.values(), *world().relations.values()):
        for language in LANGUAGES:
            assert len(world().about(topic, language)) >= 6, (topic.name, language)


def test_what_a_name_promises_is_known() -> None:
    for thing in world().things.values():
        for language, fields in thing.fields.items():
            if "name" not in fields:
                continue
            bait = world().table("bait", language)[fields["name"]]
            assert bait.get("word", fields["name"]) in fields["name_of"].casefold(), thing.id


def test_properties_are_inherited_and_overridden() -> None:
    petroleum = world().things["石油"]
    assert petroleum.fields["zh"]["is"] == "一种燃料"
    assert petroleum.fields["en"] == {
        "is": "a fuel", "words": "fuel", "edible": False, "alive": False, "danger": True, "liquid": True,
        "floats": True, "name_of": "petroleum", "noun": True, "plain_kind": True,
    }  # fmt: skip
    assert world().things["薪水"].fields["zh"]["abstract"] is False
    assert set(world().things["spill the beans"].fields) == {"en"}
    assert set(world().things["吹牛"].fields) == {"zh"}
