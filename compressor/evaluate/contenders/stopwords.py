"""English stop words: articles, pronouns, prepositions, conjunctions, auxiliaries and the like.

Negations and numerals are none: what changes the meaning of a sentence is no mere glue.
"""


def _words(blank_separated: str) -> frozenset[str]:
    return frozenset(blank_separated.split())


STOP_WORDS = _words(
    "a an the this that these those some any each every both either such same own other another"
    " i me my mine myself we us our ours ourselves you your yours yourself yourselves he him his"
    " himself she her hers herself it its itself they them their theirs themselves one's who whom"
    " whose which what"
    " am is are was were be been being do does did doing done have has had having will would shall"
    " should can could may might must ought"
    " i'm you're he's she's it's we're they're i've you've we've they've i'd you'd he'd she'd we'd"
    " they'd i'll you'll he'll she'll we'll they'll that's who's what's here's there's when's"
    " where's why's how's let's"
    " of in on at to for from by with about against between among into onto through during before"
    " after above below up down out off over under within upon toward towards via per along across"
    " around behind beside beyond near since until"
    " and or but if because as while when where why how whether though although so than then once"
    " again further also too very just only even still yet already quite rather more most much many"
    " few all here there now however therefore thus hence"
    " like well really actually etc"
)
"""Lower case, with straight apostrophes."""
