"""What a message asks for beside a cancellation: money back, somebody senior, a court, more."""

from __future__ import annotations

import re
from dataclasses import dataclass

from churnml.text import clauses
from churnml.text.clauses import rule
from churnml.text.prose import Prose, stems

_LAWYER = (
    r"(?:lawyers?|attorneys?|solicitors?|barristers?|legal (?:team|department|counsel|people"
    r"|advisou?rs?|representatives?)|general counsel|counsel)"
)
_REGULATOR = (
    r"(?:regulators?|ombudsman|ico|ftc|fca|bbb|cfpb|cnil|trading standards"
    r"|better business bureau|attorney general|authorit(?:y|ies)"
    r"|information commissioner|consumer protection|watchdog|data protection (?:authority"
    r"|officer|commissioner|agency)|commission|police)"
)
_SENIOR = (
    r"(?:managers?|supervisors?|team leads?|boss|superiors?|directors?|ceo|cto|coo|vp"
    r"|vice president|founders?|executives?|head of (?:support|customer \w+)"
    r"|management|leadership|senior (?:management|leadership|person|engineer|member|people"
    r"|staff)|somebody senior|someone senior|higher[- ]ups?)"
)
_NOT_OURS = r"(?<!account\x20)(?<!success\x20)(?<!product\x20)(?<!project\x20)"
_NO_ROLE = (
    r"(?! (?:role|view|permission|report|page|account|field|dashboard|login|seat|user|licen\w+"
    r"|plan)s?\b)"
)
_SEAT = (
    r"(?:seats?|licen[cs]es?|users?|logins?|accounts?|people|employees|agents?|spots"
    r"|user licen[cs]es?|team members?|colleagues|workspaces?)"
)
_NUMBER = (
    r"(?:\d[\d,]*|a (?:few|couple(?: of)?|dozen)|two|three|four|five|six|seven|eight|nine|ten"
    r"|twelve|fifteen|twenty|thirty|forty|fifty|hundred|some|several)"
)


@dataclass(frozen=True, slots=True)
class Ask:
    """One thing that messages ask for, and how it shows.

    Parameters
    ----------
    words : frozenset of str
        Stems, one of which is there wherever the ask shows.
    shows : re.Pattern
        The words that show it in a sentence.
    unless : re.Pattern
        What in the same sentence says that something else is meant.
    needs : re.Pattern, optional
        What must stand in the same sentence too.
    others : frozenset of str, optional
        Stems, one of which is there too.
    """

    words: frozenset[str]
    shows: re.Pattern[str]
    unless: re.Pattern[str]
    needs: re.Pattern[str] | None = None
    others: frozenset[str] | None = None

    def find(self, prose: Prose) -> tuple[int, int] | None:
        """Find where a message shows it first.

        Parameters
        ----------
        prose : Prose
            What a person wrote.

        Returns
        -------
        tuple of (int, int), optional
            Where the words that show it begin and end; None where it is not asked for.
        """
        if not prose.may_hold(self.words, self.others):
            return None
        for start, end in prose.sentences:
            sentence = prose.plain[start:end]
            match = self.shows.search(sentence)
            if match is None or self.unless.search(sentence):
                continue
            if self.needs is not None and not self.needs.search(sentence):
                continue
            before = clauses.lead(sentence, match.start())
            if not clauses.denied(before) and not clauses.of_others(before, own=True):
                return start + match.start(), start + match.end()
        return None


LEGAL_THREAT = Ask(
    words=stems(
        "sue suing lawsu lawye attor solic barri legal illeg litig court breac ombud regul ico"
        " ftc fca"
        " bbb cfpb cnil tradi burea liabl damag cease arbit watch polic couns rights autho commi"
        " consu"
        " respo claim"
    ),
    shows=rule(
        r"\b(?:su(?:e|ing) (?:you|your company|for)|lawsuits?|legal (?:action|proceedings|steps"
        r"|recourse|remed\w+|consequences|claims?|route|options|rights|avenues|advice|dispute)"
        r"|litigat\w+|(?:take|taking|see|drag|bring|settle) (?:you|this|the matter|it"
        r"|your company)(?: all)?(?: the way)? (?:to|in|through|before) (?:the )?(?:courts?"
        r"|a judge)"
        r"|(?:see you in|go(?:ing)? to|end up in) (?:small claims )?court|small claims"
        r"|breach(?:ed|es|ing)? (?:of )?(?:the |our |this |your |its )?(?:[\w-]+ )?(?:contract"
        r"|agreement|sla|slas|terms|warranty|obligations?|gdpr|law|dpa|service level)"
        r"|(?:in|a material|material|this) breach\b"
        rf"|(?:report\w*|complain\w*|refer\w*|tak(?:e|ing)|go(?:ing)?|escalat\w*|lodg\w*|fil(?:e"
        rf"|ing)|notify\w*|contact\w*|involv\w*|inform\w*|call\w*) (?:[\w']+ ){{0,5}}?(?:to "
        rf"|with )?(?:the |a |our )?(?:\w+ )?{_REGULATOR}\b"
        r"|(?:hold|holding|held) (?:you|your company) (?:fully |legally |personally )*(?:liable"
        r"|responsible|accountable)|(?:you are|you're|be|legally) (?:legally )?liable"
        r"|(?:claim|seek|sue for|pursue|recover|compensation for) (?:\w+ )?damages"
        r"|cease and desist|reserve (?:all )?(?:of )?(?:our|my) (?:legal )?rights"
        r"|binding arbitration"
        rf"|(?:hear(?:ing)?|letter|call|contacted|communication) (?:\w+ )?(?:from|by) (?:our|my"
        rf"|a|the) {_LAWYER}"
        rf"|(?:our|my) (?:\w+ )?{_LAWYER} (?:will|is going to|are going to|shall|would|'ll"
        rf"|has been|have been|is now|are now|is already|are already|is|are|say|says|advise[sd]?"
        rf"|believe|confirmed|tell|told|think)"
        rf"(?! (?:\w+ ){{0,3}}?(?:sign|approv|happy|fine|ok|send|need|ask|using|love|impressed)\w*)"
        rf"|(?:contact|speak|speaking|talk|talking|consult|instruct|engage|involve|hire|call|get"
        rf"|bring|hand|pass|forward|refer|turn|escalate|take|retain)\w*"
        rf" (?:this |it |the matter |the case |everything |you |in |over |with |to )*(?:our|my|a"
        rf"|an|the)? ?(?:\w+ )?{_LAWYER}\b(?! (?:for|to) (?:\w+ ){{0,2}}(?:review|approval"
        rf"|approve|sign|signature))"
        r"|lawyer(?:ing|ed)? up|legal (?:is|are) (?:now |already )?involved|(?:get"
        r"|getting) legal involved|illegal(?:ly)?)\b"
    ),
    unless=rule(
        r"\b(?:law firm|litigators|paralegals?|court (?:dates?|documents?|forms?|filings?)"
        r"|legal hold|our clients?|for our (?:customers|lawyers)|litigation (?:support|module"
        r"|hold|cases?|template)"
        r"|lawsuits? (?:field|report|template|module|tracker)|data breach notification|(?:not"
        r"|n't) (?:going to|planning to|looking to|threatening|a threat"
        r"|intend\w* to) (?:\w+ ){0,3}?(?:sue|legal|lawyers?)"
        r"|dpa|nda|(?:sign|signed|signing|counter-?sign\w*|approved?) (?:the |our "
        r"|this )?(?:contract|agreement|msa|order form)|job|invoice matters?)\b"
    ),
)

REFUND = Ask(
    words=stems("refun refud reimb rebat money credi compe repay retur dispu charg rever back"),
    shows=rule(
        r"\b(?:refunds?|refunded|refunding|refud|reimburs\w*|rebate|charge-?backs?|charge back"
        r"|money[- ]back"
        r"|(?:pay|paid|give|gave|get|got|want|need|have|return|send) (?:us |me |our |my |the "
        r"|all |of |that |some )*(?:\w+ )?(?:money|payments?|fees?|cash|deposit) back"
        r"|money (?:be )?(?:returned|refunded|reimbursed)|(?:pay|give) (?:us|me) back"
        r"|repay (?:us|me)|credit notes?|(?:service|sla|partial|prorated|pro-rata) credits?"
        r"|(?:issue|give|apply|want|need|expect|request\w*|owed?|get|deserve|provide|receive|due"
        r"|demand\w*|have|offer|grant) (?:us |me )?(?:a |an |some |the |for )*(?:full |partial "
        r"|\w+ )?credits?(?! (?:card|limit|check|score|line|hours?|usage|balance))"
        r"|(?:credit|reverse|refund) (?:us|me|our|my|the) (?:account|invoice|next|card|charge"
        r"|charges|payment|back)?|credited (?:back )?(?:to (?:our|my)|for|back)|compensat(?:e|ed"
        r"|ion)"
        r"|return (?:our|my|the) (?:money|payment|fee)|dispute (?:this|the|these"
        r"|your) (?:charges?|payments?|transactions?)(?: with)?)\b"
    ),
    unless=rule(
        r"\b(?:refund(?:s|ed|ing)? (?:her|him|them)\b|refund(?:s|ed|ing)? (?:a|an|the|our|my"
        r"|their|his|her|one|multiple"
        r"|some)? ?(?:customers?|guests?|clients?|buyers?|shoppers?|patients?|students?|tenants?"
        r"|donors?|orders?|bookings?|tickets?|members?)"
        r"|refunds? (?:to|for|from) (?:a|our|the|their|my|one of our|multiple)? ?(?:customers?"
        r"|guests?|clients?|buyers?|shoppers?|orders?|bookings?|members?)"
        r"|(?:customers?|guests?|clients?|buyers?|shoppers?|patients?|students?"
        r"|members?)(?:'s?)? (?:\w+ ){0,4}?(?:refunds?|reimburse\w*|compensat\w*|chargebacks?)"
        r"|(?:process|handle|track|record|issue|report|manage|automate|trigger"
        r"|export)(?:ing)? (?:\w+ )?(?:refunds|chargebacks|reimbursements|credit notes)"
        r"|(?:refunds?|chargebacks?|credit notes?|reimbursements?|compensation) (?:button|report"
        r"|webhook|endpoint|status|field|api|feature|module|workflow|rates?|reasons?|screen|page"
        r"|column|template|export|tab|plan|management|data)s?"
        r"|(?:thanks|thank you|thx|grateful|appreciate) (?:\w+ ){0,3}?(?:refund|credit"
        r"|reimburs\w+|compensat\w+)|(?:received|got|arrived|came through) (?:the|our|my"
        r"|your) (?:refund|credit)|refund (?:has )?(?:arrived|came|went) "
        r"|(?:not|n't|dont|no|without|never) (?:\w+ ){0,4}?(?:asking|looking|after|need|want"
        r"|wanting|expecting|necessary) (?:for |a |any |the |to )*(?:refund|credit|money"
        r"|compensat\w+)|no (?:refund|credit|compensation|reimbursement) (?:is )?(?:needed"
        r"|necessary|required))\b"
    ),
)

ESCALATION = Ask(
    words=stems(
        "escal manag super boss senio direc ceo cto coo vp presi found execu highe highe head leade"
        " autho charg decid decis own sort respo secon tier level appro lead"
    ),
    others=stems(
        "speak talk chat meet meeti call conve conne word put pass trans hear reply respo answe"
        " callb"
        " get give compl escal raise take bring someo someb perso anyon anybo peopl who name"
        " want need"
        " deman invol reque copyi cc"
    ),
    shows=rule(
        r"\b(?:(?:escalate|escalating) (?:this|it|my|our|the|that|immediately|further|now|to"
        r"|these|ticket|case|please)|(?:please|must|to be|be|want|need"
        r"|needs) (?:\w+ ){0,3}?escalat(?:e|ed|ing)(?= *(?:\Z|[.!,;?]|to|immediately|now|asap"
        r"|today))"
        r"|(?:request|want|need|demand|ask for|like|requesting|demanding) (?:an |a |formal "
        r"|immediate )*escalation|escalation (?:request|contact|path|point)"
        r"|(?:want|like|need|get|have) (?:this|it|(?:this|my|our) (?:\w+ )?(?:ticket|case|issue"
        r"|matter|complaint)) escalated"
        rf"|(?:speak|talk|chat|meet|call|meeting|conversation|connect|word|put (?:me|us) through"
        rf"|put (?:me|us) in touch|connect (?:me|us)|pass (?:me|us)|transfer (?:me|us)|hear"
        rf"|reply|response|answer|callback|get (?:me|us)|give (?:me|us)|complain|escalate"
        rf"|raise (?:this|it)|take (?:this|it)|bring (?:this|it)) ?(?:back )?(?:directly )?(?:to"
        rf"|with|from|by|up with|up to)? ?(?:you |me |us )?(?:a |an |the |your |our |some "
        rf"|some of your )*(?:\w+ )?{_NOT_OURS}(?<!\bour\x20){_SENIOR}\b{_NO_ROLE}"
        r"|(?:someone|somebody|a person|anyone|anybody|person|people)(?: else)? (?:more |very "
        r"|actually |really )*(?:senior|in charge|higher up|in (?:management|authority"
        r"|leadership)|above you|responsible|with (?:\w+ )?(?:authority|power|seniority)|(?:who"
        r"|that) (?:can|could|is able to|has the authority to|has the power to"
        r"|is allowed to)(?: \w+)? (?:decide|make (?:a |the )?decisions?|own|sort|take ownership"
        r"|approve))"
        rf"|(?:who is|who's|name of) your {_SENIOR}|(?:get|want|need|demand|involve|request|cc"
        rf"|copying) (?:me |us )?(?:your"
        rf"|a) (?:\w+ )?{_NOT_OURS}{_SENIOR}\b{_NO_ROLE}"
        r"|(?:higher|up the|next) (?:level|up|chain)(?: of (?:support|management))?"
        r"|second[- ]level|tier (?:2|3|two|three) support)\b"
    ),
    unless=rule(
        r"\b(?:escalation (?:rules?|policy|policies|workflows?|matrix|settings?|feature|levels?"
        r"|emails?|timers?|chain|report|paths? in)|escalate (?:tickets?|alerts?|incidents?|cases"
        r"|issues) (?:automatically|to (?:an? )?(?:agents?|on-call))"
        r"|auto-?escalat\w*|(?:no|not) (?:need|necessary|reason) to escalate|(?:thanks|thank you"
        r"|grateful|kudos) (?:\w+ ){0,6}?(?:escalat\w+|manager)|(?:prices?|costs?"
        r"|fees?) (?:\w+ )?escalat\w*"
        r"|how (?:do|can|would) (?:i|we) (?:set up|configure|escalate an? (?:alert|incident))"
        r"|(?:tell|let) your (?:manager|boss|supervisor) (?:\w+ ){0,4}(?:great|good|well"
        r"|fantastic|brilliant))\b"
    ),
)

RENEWAL_QUESTION = Ask(
    words=stems("renew renwa re autor auto expir exten contr subsc agree licen term membe plan"),
    others=stems(
        "renew renwa newal autor auto expir exten end ends endin up due run runs lengt terms price"
    ),
    shows=rule(
        r"\b(?:(?:auto-?|automatic(?:ally)? )?renew(?:al|als|s|ed|ing)?|auto-?renewal|renwal"
        r"|re-?newal|(?:contract|subscription|agreement|licen[cs]e|plan|term|membership)(?: term"
        r"| period| date)? (?:is )?(?:ends?|expires?|ending|expiring|up|runs? out|due|end date"
        r"|expiry)"
        r"|(?:end|expiry|expiration|length|terms?|price) (?:date )?(?:of|for) (?:our|the|my"
        r"|this) (?:current )?(?:contract|subscription|agreement|term|plan|licen[cs]e)"
        r"|(?:contract|subscription) (?:end|expiry|expiration|renewal) date|extend (?:our|the"
        r"|my) (?:contract|subscription|agreement))\b"
    ),
    unless=rule(
        r"\b(?:crm|deals?|fields?|editable|certificates?|ssl|tls|tokens?|domains?|passwords?"
        r"|passports?|cookies?|keys?"
        r"|library|prescriptions?|books?|insurance|polic(?:y|ies)|customers?'?|clients?'?"
        r"|members?'?|users'|patients?|renewals? (?:report|pipeline|dashboard|forecast|module"
        r"|reminders?|emails?|workflow|field|rate)s?"
        r"|(?:not|n't|never|no longer|against|non|without|dont|wont)(?: [\w']+){0,4}? renew\w*"
        r"|non-?renewal|(?:stop|cancel|turn off|disable|switch off|opt out of|end|cancel\w+"
        r"|cancle|prevent) (?:\w+ ){0,3}?(?:auto-?)?renew\w*|session|trial (?:sign|user)"
        r"|reports?|data|(?:until|till|through) the end of|approved|employment|after (?:the|our"
        r"|my) contract ends)\b"
    ),
    needs=rule(
        r"\?|\b(?:what|when|how much|how long|whether|wonder\w*|could you|can you|would you"
        r"|please (?:send|share|confirm|provide|tell|let|advise|remind|clarify|forward|quote)"
        r"|tell (?:me|us)|let (?:me|us) know|send (?:me|us|over)|need (?:a|the|to know)"
        r"|like (?:a|the|to know|to understand|to discuss)|questions?|asks?|asked|asking|confirm"
        r"|quote|curious|clarif\w+|information|details|explain)\b"
    ),
)

EXPANSION_INTEREST = Ask(
    words=stems(
        "more addit extra new anoth furth add addin onboa bring buy purch order get upgra highe"
        " bigge"
        " large next inter consi looki learn quote prici price cost trial want like move movin"
        " switc go"
        " expan exten roll rolli scale scali broad grow growi incre raise raisi secon other volum"
    ),
    others=stems(
        "seat seats licen user users login accou peopl emplo agent spots team teams membe colle"
        " works"
        " plan tier packa editi enter premi pro busin modul on ons upgra addon regio offic depar"
        " site"
        " sites count locat subsi divis compa branc unit units europ emea apac asia us uk germa"
        " franc"
        " limit quota capac usage disco prici"
    ),
    shows=rule(
        rf"\b(?:(?:(?:{_NUMBER} )?(?:more|additional|extra|further|new)|another {_NUMBER}"
        rf"|another) (?:\w+ )?{_SEAT}(?! (?:in the|on the|to log|complain|experienc|report|can't"
        rf"|cannot|are (?:having|affected))\w*)"
        rf"|(?:add|adding|onboard|onboarding|bring(?:ing)? on|buy|purchase|order"
        rf"|get) (?:in )?(?:another )?{_NUMBER} (?:of our )?(?:more |additional |extra "
        rf"|new )*(?:\w+ )?{_SEAT}"
        r"|upgrad(?:e|ing) (?:our|my|the|us|to (?:the |a |your )?(?:\w+ )?(?:plan|tier|package"
        r"|edition|enterprise|pro|premium|business|professional|unlimited|plus|advanced|higher"
        r"|next|bigger|larger|annual))(?: (?:plan|account|subscription|contract|licen[cs]e"
        r"|package|tier))?"
        r"|upgrad(?:e|ing)(?= *[.!?]| options| path| pricing| cost)|(?:higher|bigger|larger"
        r"|next) (?:plan|tier|package|edition|level of service)"
        r"|(?:interested in|like|want|consider\w*|looking (?:at|into)|learn more about|quote for"
        r"|pricing (?:for|of|on)|price (?:of|for)|cost of|add|adding|buy|trial) (?:to (?:add|buy"
        r"|try|get|have|move to|move up to|switch to) )?(?:the |your |an? "
        r"|our )*(?:\w+ ){0,3}?(?:add-?ons?|enterprise(?: (?:plan|tier|edition|package))?"
        r"|premium (?:plan|tier|support|package)|pro plan|business plan|extra module"
        r"|additional modules?|new modules?)"
        r"|add-?on|(?:move|moving|switch|switching|go) (?:up )?to (?:the |your "
        r"|an? )*(?:enterprise|premium|pro|business|higher|next|bigger|larger|annual"
        r"|professional) (?:plan|tier|package|edition)"
        r"|(?:expand|expanding|extend|extending|roll|rolling|scale|scaling|broaden|grow"
        r"|growing) (?:it |this |you |your (?:\w+ )?(?:product|tool|platform) |our (?:use|usage"
        r"|footprint|licen[cs]es?|subscription|contract|seats?|deployment|rollout) "
        r"|the (?:product|tool|platform|rollout) )*(?:of (?:the|your) \w+ )?(?:out )?(?:further "
        r"|up )?(?:to|into|across|in|with you)"
        rf" (?:our |the |all |other |more |two |three |several |a |an |second |new |another "
        rf"|additional |\d+ |\w+ ){{0,3}}?(?:regions?|offices?|departments?|sites?|teams?"
        rf"|countr(?:y|ies)|locations?|subsidiar(?:y|ies)|divisions?|company|branches"
        rf"|business units?|europe|emea|apac|asia|us|uk|germany|france|{_SEAT})"
        r"|expand (?:our|the) (?:contract|subscription|licen[cs]e|usage|plan|seats?|account|use)"
        r"|(?:increase|raise|increasing|raising) (?:our|the|my) (?:\w+ )?(?:seats?|licen[cs]es?"
        r"|limit|quota|capacity|user (?:count|limit)|seat count|plan|number of (?:seats"
        r"|licen[cs]es|users)|subscription)"
        rf"|(?:additional|new|more|second|another|other) (?:regions?|offices?|subsidiar(?:y|ies)"
        rf"|business units?|departments?|sites?|locations?|countries)|(?:seats?|licen[cs]es?"
        rf"|users?) for (?:our|the|another|a new) (?:\w+ )?(?:team|office|department|region"
        rf"|subsidiary)|volume (?:discounts?|pricing))\b"
    ),
    unless=rule(
        r"\b(?:fail(?:s|ed|ing)?|errors?|crash\w*|broken|bug|browser|node|python|database"
        r"|postgres\w*|library|firmware|ios|android|server version|to version|v?\d+\.\d+|no more"
        r"|(?:not|n't|dont|no longer|never) (?:\w+ ){0,3}?(?:need|want|require|interested"
        r"|looking|upgrad\w+|expand\w*|buy|planning|going|sure)"
        r"|fewer|less seats|reduce|remove|downgrad\w*|cut(?:ting)?|before (?:we|i) (?:buy|add"
        r"|upgrade|expand)|(?:since|after|during|because of) (?:the|your|our|last"
        r"|this) (?:\w+ )?upgrade|stop (?:offering|selling|pushing|trying)|upsell|pushed"
        r"|forced (?:us )?(?:to|into)|to (?:a|the|my|our|this) (?:group|project|channel|folder"
        r"|board|list|role|meeting|calendar)|charged|billed|invoice[ds]?|overcharg\w*|can't add"
        r"|cannot add|unable to add|won't let|more people (?:are|have)|export|slow\w*|ticket"
        r"|complain\w*|rather than|cancel\w*)\b"
    ),
    needs=rule(
        r"\?|\b(?:we|i|our|please|pls|can|could|how|what|interested|want|need|like|plan\w*|quote"
        r"|pricing|price|add|buy|purchase|order|upgrade|looking|approv\w+|budget|send)\b"
    ),
)
