"""What a message says by its words alone: who it asks for, whether it leans on what came before."""

from __future__ import annotations

import re
import unicodedata

_SOMEONE = (
    r"(?:humain\w*|etres? humains?|quelqu'?un(?: de (?:vrai|reel|l'equipe|chez vous))?"
    r"|(?:une )?vraie personne|une (?:autre )?personne"
    r"|(?:un|une|le|la|votre|vos|des|mon|ma)(?: vrai| vraie)? (?:conseill(?:er|ere)s?|responsable"
    r"|operat(?:eur|rice)|gerante?|patronn?e?)"
    r"|(?:un de |une de )?(?:vos|tes|votre|ton) (?:collegue|collaborat(?:eur|rice))s?"
    r"|(?:le |votre )?service client|agent humain|someone|somebody|(?:a |an )?(?:actual "
    r"|real )?human"
    r"|(?:a |an )(?:real |actual )?person|real person|(?:a |the |your )(?:representative|advisor"
    r"|manager|colleague)(?! (?:account|access|page|role))|customer (?:service|support)|an agent)\b"
)
_REACH = (
    r"\b(?:parler|discuter|echanger|joindre|avoir|(?:mett\w+|mise?) en (?:relation"
    r"|contact|lien)"
    r"|pass(?:e|er|ez)[- ](?:moi|nous|le|la)|me passer|transfer\w+|rappel\w*|contact(?:er|ez|e|ee)"
    r"|besoin d'|speak|talk|chat|connect|transfer|reach|put me through|get)\b"
)
_WISH = (
    r"\b(?:(?:je )?(?:veux|voudrais|souhaite|prefere|prefererais|aimerais|demande|exige|reclame)"
    r"|il me faut|i want|i need|i'd like|i would like|i prefer|give me|donnez[- ]moi|donne[- ]moi)"
)
_PERSON = re.compile(rf"{_REACH}[^,.;:!?]{{0,30}}?\b{_SOMEONE}|besoin d'un {_SOMEONE}")
_WANTED = re.compile(rf"{_WISH} (?:avoir |parler (?:a|avec) )?(?:un |une |a |an )?{_SOMEONE}")
_CALLBACK = re.compile(
    r"\b(?:rappel(?:ez|le)[- ](?:moi|nous)|(?:peut|peux|pouvez|pourriez|faites)[^,.;!?]{0,25} me"
    r" rappeler(?! (?:une?|le|la|les|l'|mon|ma|mes|de|des|que|qu'))|(?:please )?call me back)\b"
)
_PERSON_SHORT = re.compile(
    r"^(?:une? |a )?(?:humain|vraie personne|conseill(?:er|ere)|human|real person|person)"
    r"(?: (?:svp|stp|s'il (?:vous|te) plait|please|now|maintenant))?[ !.?]*$"
)
# Said just before the wish: it is not one.
_REFUSED = re.compile(
    r"(?:\bn(?:e |')(?:veux|voudrais|souhaite|desire|tiens|ai|aimerais|prefere)\s+(?:vraiment "
    r"|surtout )?"
    r"(?:pas|plus)(?: (?:du tout|besoin|envie))?|\bveux (?:pas|plus)|\bpas (?:besoin|envie)"
    r"|\binutile"
    r"|\bsans(?: avoir a| devoir)?|\bplutot que|\bau lieu|\bevite[rz]?|\bjamais"
    r"|\b(?:don'?t|do not|didn'?t|never|no) (?:want|need|wish|have)?(?: to)?|\bwithout|\binstead of"
    r"|\brather than|\bavoid)\b[^,.;:!?]{0,12}$"
)
# Whom a customer's own business deals with is not a wish for ours.
_OTHERS = re.compile(
    r"\b(?:comment|how)\b[^,.;!?]{0,30}$|\b(?:qui|who|quand|when|si|if|lorsque|chaque fois)\b"
    r"[^,.;!?]{0,30}$"
    r"|\b(?:mes|nos|les|des|mon|ma|leurs?|certaine?s|my|our|their|some) \w+(?: \w+)?"
    r" (?:veul|veut|souhait|voudr|doi|peu|cherch|demand|want|need|wish|can|ask)\w*[^,.;!?]{0,20}$"
)
_ASKING_HOW = re.compile(
    r"\b(?:comment|how)\b[^,.;!?]{0,40}\b(?:parler|joindre|contacter|discuter|speak|talk|reach"
    r"|get)\b"
    r"[^,.;:!?]{0,12}\b(?:quelqu'?un(?= (?:chez vous|de l'equipe|de votre))"
    r"|humain|(?:a |an )?(?:real |actual )?human|vraie personne|(?:a )?real person"
    r"|un conseiller|une conseillere|votre service client|le service client"
    r"|customer (?:service|support))"
)
# What may stand beside a yes without making it another message.
_COURTEOUS = (
    r"merci(?: beaucoup| bien| d'avance)?|svp|stp|s'il (?:vous|te) plait|volontiers|avec plaisir"
    r"|bien sur|je veux bien|je voudrais bien|j'aimerais bien|j'accepte|ce serait bien|oui|ok"
    r"|d'accord|super|parfait|allez-y|vas-y|faites|bien volontiers|tout de suite|maintenant"
    r"|transmett?(?:ez|re|s)(?: (?:ma demande|mon message|la demande))?"
    r"|(?:a |avec )?(?:une personne|quelqu'un)(?: de l'equipe)?"
    r"|please|thanks?(?: you)?|thank you|do(?: it| that| so)?|go ahead|i would|i'd like that"
    r"|that would be (?:great|nice)|of course|pass it on|to someone|a person"
)
_ACCEPTANCE = re.compile(
    r"^(?:oui|ouais|ok|okay|d'?accord|volontiers|avec plaisir|je veux bien|ca marche|parfait"
    r"|allez-y|allons-y|pourquoi pas|yes|yeah|yep|sure|please|go ahead)"
    rf"(?:[ ,;.!]+(?:{_COURTEOUS}))*[ ,;.!]*$"
)
_UNACCEPTED = re.compile(
    r"\b(?:non|pas|plus tard|mais|laisse\w*|tant pis|inutile|no|not|but|later|never mind|nevermind"
    r"|don'?t|rien)\b"
)
_WHERE = re.compile(r"^\W*o[ùÙ]\b", re.IGNORECASE)
_LEANING = re.compile(
    r"^(?:et|mais|sinon|donc|alors|du coup|dans ce cas|and|but|what about|how about"
    r"|ou (?:bien|alors|plutot|sinon|pour|avec|sur|sans|par|juste)|or|so)\b"
)
_ASIDE = re.compile(
    r"\bplus (?:de|d') ?(?:details|precisions|informations|infos|explications)\b"
    r"|^(?:(?:tu )?peux[- ](?:tu )?|(?:vous )?pouvez[- ](?:vous )?|est-ce que tu peux )?"
    r"(?:m'|me |nous )?(?:detaill|developp|expliqu|precis|continu)(?:e|ez|er)"
    r"(?: (?:un peu|mieux|davantage|plus|encore|svp|stp|ca|cela|s'il (?:te|vous) plait))*[ !.?]*$"
    r"|^(?:tu (?:as|aurais)|vous (?:avez|auriez)|avez-vous|as-tu|donne-moi|donnez-moi)?"
    r" ?(?:un|des|d'autres) (?:exemples?|idees?)[ !.?]*$"
    r"|\ben savoir plus[ !.?]*$|^et (?:apres|ensuite)\b|^comment ca[ !.?]*$|^c'?est[- ]a[- ]dire\b"
    r"|^(?:can you |could you )?(?:tell me more|go on|explain(?: more| that)?|elaborate"
    r"|(?:give me )?an example|for example)[ !.?]*$"
)
_BARE = re.compile(
    r"^(?:(?:combien|pourquoi|quand|lequel|laquelle|lesquels|lesquelles|how much|why|when"
    r"|which one)"
    r"\b.{0,12}|(?:comment|how)(?: (?:faire|ca|cela|alors|exactement|so|exactly))?"
    r"|ou(?: ca| exactement)?|where(?: exactly)?|(?:et )?(?:c'est combien|a quel prix"
    r"|quel prix))[ !.?]*$"
)


def normalised(text: str) -> str:
    """Lower case, without accents, typographic apostrophes or doubled spaces."""
    folded = unicodedata.normalize("NFKD", text.casefold().replace("’", "'"))
    return " ".join("".join(c for c in folded if not unicodedata.combining(c)).split())


def asks_for_person(text: str) -> bool:
    """Whether the customer asks, in words, to deal with a human being."""
    plain = normalised(text)
    if _PERSON_SHORT.match(plain) or _ASKING_HOW.search(plain):
        return True
    wishes = [m for pattern in (_PERSON, _WANTED, _CALLBACK) for m in pattern.finditer(plain)]
    return any(_is_own_wish(plain[: wish.start()]) for wish in wishes)


def _is_own_wish(before: str) -> bool:
    """Whether what stands before the words of a wish neither refuses it nor gives it to others."""
    return not (_REFUSED.search(before) or _OTHERS.search(before))


def accepts(text: str) -> bool:
    """Whether a message says yes to what was offered just before, and little else."""
    plain = normalised(text)
    return bool(_ACCEPTANCE.match(plain)) and "?" not in text and not _UNACCEPTED.search(plain)


def leans_on_history(text: str) -> bool:
    """Whether a message makes sense only after what was said before it ("Et pour l'e-mail ?")."""
    plain = normalised(text)
    words = plain.split()
    if _LEANING.match(plain) and not _WHERE.match(text) and len(words) <= 10:
        return True
    return len(words) <= 8 and bool(_ASIDE.search(plain) or _BARE.match(plain))


def mentions(plain: str, keyword: str) -> bool:
    """Whether a `normalised` text has this keyword as whole words."""
    return bool(re.search(rf"(?<!\w){re.escape(normalised(keyword))}(?!\w)", plain))
