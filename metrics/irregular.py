"""Forms of nouns that HanTa's English model, seeing one word alone, reads wrongly: a table, checked by the tests.

It covers the names of the data sets that are scored (COCO, PSG's panoptic names) and the common nouns of captions.
"""

_TABLE = """
bacterium: bacteria
batter: batter batters
bear: bear bears
blind: blind
bookshelf: bookshelves
bunny: bunnies
cactus: cacti
canopy: canopies
croissant: croissant
cucumber: cucumber
cuff: cuffs
drier: drier
duck: duck
dwarf: dwarves
flamingo: flamingoes
fungus: fungi
giraffe: giraffe giraffes
goggles: goggles
grandchild: grandchildren
hippopotamus: hippopotami
hydrant: hydrant
key: key
kitty: kitties
kiwi: kiwi
leaf: leaves
monitor: monitor
moped: moped
net: net
octopus: octopi
olive: olive
orange: orange
ottoman: ottoman
ox: oxen
passerby: passersby
platypus: platypus platypuses
policewoman: policewomen
quiz: quizzes
raspberry: raspberries
remote: remote
rose: rose
schoolchild: schoolchildren
sheaf: sheaves
shed: shed sheds
sink: sink
skateboarder: skateboarder
ski: ski skis
snowman: snowmen
sunglasses: sunglasses
surfer: surfer
teddy: teddies
toaster: toaster
walrus: walruses
whisk: whisk whisks
wrench: wrench
"""

NOUNS = {
    form: lemma for lemma, _, forms in (line.partition(": ") for line in _TABLE.split("\n")) for form in forms.split()
}
"""Form, lower case and without hyphens -> lemma. Every form is tagged as a noun."""
