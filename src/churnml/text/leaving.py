"""The phrases of leaving: what ends a subscription, what announces it, what asks about it.

Whoever says them, and whether they are meant, is for `cancellation` to judge.
"""

from __future__ import annotations

from churnml.text.clauses import rule
from churnml.text.subscriptions import (
    CANCEL,
    CANCELLATION,
    CANCELLED,
    CANCELLING,
    DETERMINER,
    PRODUCT,
    THING,
)

_ENDING = (
    rf"(?:{CANCEL}|{CANCELLING}|terminat(?:e|ing)|end|ending|discontinu(?:e|ing)|quit|quitting"
    rf"|exit|exiting|stop|stopping"
    r"|ceas(?:e|ing)|conclud(?:e|ing)|dissolv(?:e|ing)|void|voiding|rescind|scrap|ditch(?:ing)?"
    r"|wind(?:ing)? (?:down|up)|clos(?:e|ing)(?: (?:down|out|off))?|shut(?:ting)?(?: down| off)"
    r"|get(?:ting)? rid of"
    r"|(?:get(?:ting)?|let) (?:us |me |ourselves )?out of|back(?:ing)? out of|opt(?:ing)? out of"
    r"|pull(?:ing)? out of"
    r"|withdraw(?:ing)? from|walk(?:ing)? away from|pull(?:ing)? the plug on"
    r"|put(?:ting)? an end to|step(?:ping)? away from"
    r"|(?:tak(?:e|ing)|remov(?:e|ing)|get|opt) (?:us|me|our (?:company|account|team)"
    r"|my account) (?:off|from|out of)|unsubscrib(?:e|ing)(?: (?:us|me|our company|our team"
    r"|our organi[sz]ation))?(?: from)?"
    r"|releas(?:e|ing) (?:us|me) from"
    r"|deactivat(?:e|ing)|delet(?:e|ing)|remov(?:e|ing)|eras(?:e|ing)|disabl(?:e|ing)"
    r"|turn(?:ing)? off|switch(?:ing)? off"
    r"|part(?:ing)? ways on|pass(?:ing)? on|skip(?:ping)?|forgo(?:ing)?|declin(?:e|ing)(?: to)?"
    r"|break(?:ing)?(?= (?:our|the|my|this) (?:contract|agreement))|drop(?:ping)?(?= (?:our|my"
    r"|your) ))"
)
_AFTER_BARE = (
    r"(?= *(?:\Z|[.,!?;:)]|-|[\u2013\u2014]|(?:at|by|with effect|with immediate|with you"
    r"|with your|effective\w*|immediately|as of"
    r"|as soon|asap|before|now|today|tomorrow|because|if|or (?!(?:reschedul|postpon|edit|chang"
    r"|modif|delet|sav|undo|mov|paus(?:e|ing) (?:a|the))\w*)"
    r"\w+|and (?:get|leave|move|switch|go|i|we|want|be|close|stop|end|delete"
    r"|would|please)|without|early|online|any ?time|altogether|completely|entirely|outright"
    r"|from (?:the|next|\d)|in (?:january"
    r"|february|march|april|may|june|july|august|september|october|november|december|the middle"
    r"|advance|writing|time)"
    r"|this (?:month|week|year|quarter)|next|after|since|due|unless|when|mid|mid-?\w+|half-?way"
    r"|monthly|annually|yearly|earlier|sooner|prematurely|for good"
    r"|straight|right away"
    r"|going forward|please|pls|plz|thanks|until|within|ahead|via|through your|on (?:the \d|\d"
    r"|short|time)|work|works|now)\b))"
)
ENDS = rule(rf"\b{_ENDING} (?P<thing>{THING})")
BARE = rule(rf"\b(?:{CANCEL}|{CANCELLING}|terminat(?:e|ing)){_AFTER_BARE}")
IT = rule(
    rf"\b(?:{CANCEL}|end|terminate|stop|close) (?:it|this|that|ours|mine)(?: thing| one)?"
    r"(?= *(?:\Z|[.,!?;]|(?:for us|for me|already|please|today|now|asap|immediately)\b))"
)
IDIOM = rule(
    r"\b(?:(?:leav(?:e|ing)|(?:mov(?:e|ing)|migrat(?:e|ing)|transition(?:ing)?"
    r"|get(?:ting)?) (?:off|away from))"
    r" (?:you\b(?! (?:a|an|the|feedback|with|in|to|on|some|alone|waiting|my|our)\b)"
    rf"|your {PRODUCT}\b(?! (?:team|feedback|page|review))|(?:this|the) (?:platform|service"
    rf"|vendor)\b(?! (?:team|page)))"
    r"|part(?:ing)? (?:ways|company)\b|go(?:ing)? our separate ways|(?:tak(?:e|ing)|mov(?:e"
    r"|ing)) (?:our|my)"
    r" (?:business|custom|money) elsewhere|call it quits|off-?board (?:us\b|our (?:account"
    r"|company|organi[sz]ation)\b)"
    r"|let (?:it|(?:our|the|my|this) (?:\w+ )?(?:subscription|contract|agreement|plan|membership"
    r"|licen[cs]es?)) (?:lapse|expire|run out)"
    r"|let (?:our|the|my) (?:subscription|contract|agreement|plan|membership) end"
    rf"|(?:stop|discontinu(?:e|ing)|stopping|ceas(?:e|ing)) (?:using |our use of |use of "
    rf"|the use of )(?:your|the|this) {PRODUCT}\b"
    r"|(?:give|giving|serve|serving|submit|submitting|hand in|provide|providing|tender|put in"
    r"|file) (?:you )?"
    r"(?!us\b|me\b|him\b|her\b|them\b|customers\b)(?:(?!us\b|me\b|feedback"
    r"|reply)[\w'-]+ ){0,5}?notice\b)"
)
_NOTICE_OF = (
    r"(?! (?:period|board)| (?:about|regarding|on the)\b| (?:of|to) (?!(?:our |my |the |an? "
    r"|intent\w* |decision |early |immediate )*"
    rf"(?:to |of |not )*(?:{CANCEL}|terminat|non|not|discontinu|end|clos|withdraw|leav|renew"
    rf"|(?:[\w-]+ )?(?:contract|subscri|account|plan|agreement|membership|licen)))"
    rf"| that (?!we|i|our|my)\b)"
)
_GRANT = (
    r"(?:confirm(?:ing)?|note|record|register|process(?:ing)?|proceed with|complete|completing"
    r"|action|arrange(?: for)?|initiate|initiating|start|begin|execute"
    r"|accept|acknowledge|request(?:ing|ed)?|submit(?:ting|ted)?|ask(?:ing|ed)? for"
    r"|apply(?:ing)? for|applied for|like|want|need"
    r"|demand(?:ing)?|insist on|effect|schedule|finali[sz]e|go ahead with|handle|expedite|file"
    r"|filed|filing|sent|sending|send|facilitate"
    r"|carry out|set up|progress|trigger|require)"
)
_NO_NOUN = (
    r"(?! (?:rates?|reports?|reasons?|e?-?mails?|webhooks?|events?|surveys?|flows?|features?"
    r"|workflows?|dashboards?|data|trends?|policy"
    r"|policies|fees?|charges?|terms?|conditions?|clauses?|costs?|penalt\w+|process|procedures?"
    r"|deadlines?|dates?|windows?|period|options?"
    r"|rules?|requirements?|buttons?|forms?|pages?|templates?|letters? template|links?"
    r"|instructions|details|numbers?|codes?|status|fields?)\b"
    r"| of (?!our|my|the (?:contract|sub|acc|agree|memb|service|plan|lic|renew)|this|all|service"
    r"|contract|sub|account|agreement|both|said))"
)
NOUN = rule(
    rf"\b(?P<verb>{_GRANT}) (?:you )?(?:(?:a|an|our|my|the|this|that|for|immediate|full|early"
    rf"|formal|official|prompt|complete|account|subscription"
    rf"|contract|service|membership|plan) ){{0,4}}(?P<thing>{CANCELLATION}|termination"
    rf"|non-?renewal)\b{_NO_NOUN}"
    rf"|\b(?P<close>{_GRANT}) (?:you )?(?:(?:the|our|immediate|my|full) ){{0,2}}(?:(?:closure"
    rf"|deletion|closing) of (?:our|my|the|this) account|account (?:closure|deletion))"
)
_ENDED = (
    rf"(?:{CANCELLED}|terminated|ended|closed(?: down)?|deleted|deactivated|discontinued|stopped"
    rf"|shut down|removed|wound down)"
)
PASSIVE = rule(
    rf"\b(?P<thing>{DETERMINER} (?:[\w-]+ ){{0,2}}(?:subscriptions?|contracts?|agreements?"
    rf"|memberships?|accounts?|plan|licen[cs]es?|services?"
    rf"|(?:auto-?)?renewal)) (?:(?:to|should|must|can|could|will|would|shall|needs?|has|have|is"
    rf"|are|be|being|been|get|gets|getting|now|also|please"
    rf"|was|not|still|yet|fully|properly|immediately|actually|officially|already|never|hasn't"
    rf"|haven't|isn't) )*(?P<ended>{_ENDED})\b"
)
HEADLINE = rule(
    r"\A\W*(?:(?:request|formal|official|immediate|urgent|notice|our|my|the|of|for|to|account"
    r"|subscription|contract|service|membership"
    r"|plan|licen[cs]e|early|letter|intent|final|written|re|subject)\b[\W_]*)*"
    rf"(?:{CANCELLATION}|{CANCELLING}|termination|non-?renewal)"
    r"(?: (?:request|notice|letter))?"
    r"(?:\W*\Z|(?: -| of| for)? (?:(?:our|my|this|the|your)? ?(?:[\w-]+ ){0,2}?(?:contract"
    r"|subscription|account|services?|agreement|membership|plan|licen[cs]es?)|effective|\d|#)"
    rf"(?:(?!\b(?:{CANCEL}|is|are|was|has|does|did|fails?|polic|fee|period|would)\b)[^?])*\Z)"
)
NOTICE = rule(
    r"\b(?:(?:consider|accept|take|treat|regard|view|deem|see|read|understand) (?:this"
    r"|the (?:above|following|present))"
    r"(?: (?:e-?mail|message|letter|note|mail|ticket|as|to be|is))*"
    r"|(?:this|this (?:e-?mail|letter|message|note|mail)|the above)(?: (?:is|serves?|will serve"
    r"|shall serve|constitutes|to serve|acts|as|hereby|let))+"
    r"|let this(?: (?:e-?mail|letter|message|note))?(?: (?:serve|be|act|stand|as))+)"
    r"(?: (?:a|an|our|my|the|formal|official|written|advance|due|required|final"
    r"|[\w-]+ (?:days?'?|months?'?|weeks?')|\w+-days?|\w+-months?"
    r"|\d+|[\w-]+ly)){0,6}"
    rf" (?:notice|notification|{CANCELLATION}|termination|resignation|non-?renewal)\b{_NOTICE_OF}"
    rf"|\b(?:attached|enclosed)(?: [\w'-]+){{0,5}} (?:our|my|the|a) (?:\w+ ){{0,2}}?(?:notice of"
    rf"|{CANCELLATION}|termination)"
    rf"|\b(?:our|my) (?:\d+|thirty|sixty|ninety)[ -]days?'? notice\b|\b(?:formal|official"
    rf"|written|\d+[ -]days?'?|\w+ days'|\w+ months') notice (?:of|to) (?:our |my |the )*"
    rf"(?:{CANCELLATION}|{CANCEL}|terminat\w+|non-?renewal|not renew)"
)
_AGAIN = (
    r"(?:again|any ?more|any longer|going forward|from now on|next|after|beyond|in future"
    r"|in the future|for another|this (?:year|time)|past)"
)
NOT_GOING_ON = rule(
    r"(?P<not>\b(?:not|never|no longer|dont|wont|against|cannot)\b|n't\b)"
    r"(?: (?:be|to|going|wish(?:ing)?|want(?:ing)?|plan(?:ning)?|intend(?:ing)?|look(?:ing)?"
    r"|need|able|choose|expect(?:ing)?|automatically|auto"
    r"|currently|actually|in|have|us|it|our|the|my|let|for|opt|on|of|decide[ds]?|afford|justify"
    r"|this|you|that|your|like|love|see|interested|in a position"
    r"|subscription|contract|plan|agreement|licen[cs]es?|membership|account)){0,6}?"
    r" (?:(?P<renew>(?:auto-?)?renew(?:ing|ed)?|re-?sign(?:ing)?|(?:extend(?:ing)?"
    r"|prolong(?:ing)?|keep(?:ing)?|continu(?:e|ing)(?: with| on)?)"
    rf" (?P<thing>{THING})|continu(?:e|ing)(?: on)? (?:with (?:you\b|your|the (?:service|product"
    rf"|platform|subscription|contract))"
    r"|using (?:your|the|this)|our (?:subscription|contract|membership|agreement)"
    r"|as (?:a )?customers?|to use your"
    rf"|(?:after|past|beyond|into|next)\b)|(?:continu(?:e|ing)|stay(?:ing)?"
    rf"|extend(?:ing)?)(?= *(?:\Z|[.!,;])|(?: with you| after| beyond| past))"
    r"|(?:go(?:ing)? ahead|proceed(?:ing)?|mov(?:e|ing) forward) with (?:the|our|a|another|this"
    r"|your) (?:[\w-]+ )?(?:renewal|renewing|year|term"
    r"|subscription|contract|extension|agreement|membership)|(?:sign(?:ing)?(?: up)? for"
    r"|commit(?:ting)? to) another"
    rf"|(?:be(?:ing)? )?(?:a )?(?:paying )?customers?\b(?: of yours)?)"
    rf"|(?P<bill>(?:bill|charge|invoice|debit)(?:ing)? (?:us|me|our \w+|my \w+) {_AGAIN}\b))"
)
_NEED = (
    rf"(?:need(?:ing)?|requir(?:e|ing)|us(?:e|ing)|have (?:any |a )?(?:need|use) (?:for|of)"
    rf"|want(?: to (?:use|have|keep))?)"
    rf" (?:your|the|this|our|ur|my) (?:\w+ )?(?:{PRODUCT}|subscription|account|licen[cs]es?|plan"
    rf"|contract|membership)\b"
    r"(?! (?:team|tab|page|manager|of|field|to|for|in)\b)"
)
NO_NEED = rule(
    rf"\bno longer (?:wish to |want to |going to |plan to |intend to |be |have to )?{_NEED}"
    rf"|\b(?:not|n't|dont|wont) (?:be )?{_NEED} {_AGAIN}\b"
    r"|\bno renewal\b(?= (?:for us|this|next|please))"
    r"|\bdone with (?:you\b|your (?:\w+ )?(?:services?|platform|product|company|tool|software)"
    r"|this (?:service|platform|product|company|software))"
    rf"|\b(?:want|wants|need|like|let us|let me) (?:to (?:get |be )?)?out(?: of {THING}| of (?:this"
    rf"|it)(?= *(?:\Z|[.!,;]))|(?= *(?:\Z|[.!,;])))"
    r"|\b(?:this|that|it|january|february|march|april|may|june|july|august|september|october"
    r"|november|december)(?: will be|'ll be| is| shall be)"
    r" (?:our|my) (?:last|final) (?:month|year|quarter|term|invoice|payment|renewal|billing)\b"
)
BILLING = rule(
    r"\b(?:stop|cease|quit|halt|stopping)(?: (?:all|any|the|further|future|to|and|these|those"
    r"|automatic|recurring))*"
    r" (?:bill(?:ing)?|charg(?:es?|ing)|invoic(?:es?|ing)|debiting|debits|payments?"
    r"|taking (?:money|payments?))"
    r"(?: (?:us|me|our (?:\w+ )?(?:card|account|company)|my (?:\w+ )?(?:card"
    r"|account)))?+(?! (?:for|twice|double|in|at|the wrong|extra|on (?!my|our))\b)\b"
)
LEAVING = rule(
    r"\b(?:we|our company|our organi[sz]ation|our team|our board)(?:'re|'ll be|'ve decided (?:on"
    r"|to)| are| is| will be| have decided (?:on|to)| has decided (?:on|to)"
    r"|'d like to| want to| plan to| intend to)(?: (?:now|unfortunately|sadly|going to|therefore"
    r"|be|also|definitely|then))* (?:leave|leaving|moving on|going elsewhere)"
    r"(?= *(?:\Z|[.!,;]|(?:at the end|after (?:this|our|the)|by the end|by (?:jan|feb|mar|apr"
    r"|may|jun|jul|aug|sep|oct|nov|dec)"
    r"|when (?:our|the)|once (?:our|the)|as of|effective|because|due to|this (?:year|quarter"
    r"|month))\b))"
)
MADE_TO_END = rule(
    rf"\b(?:ensure|make (?:absolutely )?sure|see to it)(?: that)? {THING} (?:ends?|stops?"
    rf"|terminates?"
    rf"|closes|lapses|expires|gets {_ENDED}|is {_ENDED})\b"
    rf"|\b(?:want|like|need|wish)(?: for)? {THING} to (?:end|stop|expire|lapse|terminate|close)\b"
)
DONE_BY_US = rule(
    rf"\b(?:we|i)(?:'ve| have| had)?(?: (?:already|previously|just|now"
    rf"|officially))? (?:{CANCELLED}|terminated|closed|ended|deleted)"
    rf" (?P<thing>{THING}|(?:it|this|mine|ours|in|last|on|back in|months|weeks|two|three|already"
    rf"|with you|over|a)\b)"
)
UNDONE_BY_YOU = rule(
    rf"\b(?:you|you guys|your team|nobody|no one)(?:'ve| have| has)?(?: still)?(?: have"
    rf"| has)?(?: not|n't| never)? ?(?:yet )?(?:{CANCELLED}|closed|terminated|deactivated"
    rf"|deleted|ended) {THING}"
    r"(?=.*\b(?:yet|still)\b)"
    rf"|\b(?:still (?:haven't|have not|hasn't)|haven't you|have you not|you haven't|you have not"
    rf"|you have yet to|you never)(?: still| yet)? (?:{CANCELLED}|{CANCEL}|closed?|terminated?"
    rf"|ended|deactivated) {THING}"
)
_TERMS = (
    r"(?:policy|policies|fees?|charges?|terms?|conditions?|clauses?|costs?|penalt\w+|process"
    r"|procedures?|deadlines?|dates?|windows?|period"
    r"|options?|rules?|requirements?|rights?|steps?|questions?|inquir\w+|enquir\w+|work|works"
    r"|possible|implications|instructions|forms?|letters?|links?)"
)
POLICY = rule(
    rf"\b(?:(?:{CANCELLATION}|termination|exit|break|opt-?out|early termination|off-?boarding"
    rf"|early exit|{CANCELLING}) {_TERMS}\b"
    r"|notice periods?\b|period of notice\b|(?:how much|how many days'?|how long a|what|which"
    r"|how long|enough|much|many) (?:[\w']+ )?notice\b"
    r"|notice (?:is )?(?:required|needed)|cooling[- ]off|locked(?: |-)in(?= (?:until|till|for|to)"
    r"|[?.]|\Z)|(?:tied|bound|locked|stuck) (?:to|by|into|in|with) (?:the|our|this|my"
    r"|a) (?:\w+ )?(?:contract|subscription|agreement|plan)|cancell?able|terminable|(?:does|is"
    r"|will|can) (?:the )?(?:termination|cancellation)(?! (?:rate|reason|report|number|data"
    r"|chart|figure)s?\b)|(?:exit|get out|terminate|end|leave the (?:contract|agreement)) early"
    rf"|(?:case|event) of (?:an? )?(?:early )?(?:{CANCELLATION}|termination)|(?:handles?"
    rf"|deals? with|charge of|responsible for) {CANCELLATION}"
    r"|(?:can|could|may) (?:an? |the )?(?:subscription|contract|agreement|plan|membership)s? be "
    rf"{_ENDED}|{CANCEL} (?:\w+ ){{1,3}}for (?:our|my) (?:subscription|account|plan|contract"
    rf"|membership)"
    r"|(?:allow|let|permit)s? us to (?:leave|exit|get out)"
    r"|leaving (?:early|would|involves?)|(?:can|could|may|would) (?:we|i) (?:leave|get out|exit"
    r"|walk away) (?:early|before (?:the|our)|at any)"
    r"|(?:we|i) (?:can|could|may) (?:get out|exit|walk away)(?= *(?:[?.]|\Z|early|before))"
    r"|lock-in|minimum term"
    r"|(?:give|giving|serve) (?:[\w']+ ){0,2}notice\b|early (?:termination|exit|cancellation)\b"
    r"|penalt\w+ (?:for|if) (?:leav|end|cancel|clos|exit)\w+"
    rf"|(?:about|regarding|on|re|does|is|for|of|after|upon|following|early|offers?|monthly|easy"
    rf"|free|a|the|our"
    rf"|any) {CANCELLATION}\b(?= *(?:\Z|[.?!,]|work|cost|possible|affect|delete|mean|take))"
    rf"|{_TERMS} (?:of|for|on|around|regarding) (?:a |an |the |early |our )*(?:{CANCELLATION}"
    rf"|termination)\b"
    rf"|(?:after|upon|on|following|by|does|of|for|about|regarding|when|from) {CANCELLING}\b"
    rf"|(?:after|upon|following) (?:the )?(?:{CANCELLATION}|termination)\b"
    r"|(?:procedure|process|steps|options|way|terms|conditions|penalty|fee) (?:for|of"
    r"|to) (?:leave|leaving)\b)"
)
AFTERWARDS = rule(
    r"\b(?:data|reports?|files|access|records|content|information|history|projects?|backups?"
    r"|exports?|users|logins?|everything|long|happens|become|becomes)\b"
    r".{0,60}\b(?:when|if|after|once|at|until|following|upon) (?:the end of )?(?:our|the|my|this"
    r"|a) (?:\w+ )?"
    r"(?:contract|subscription|agreement|account|membership|plan|term|licen[cs]e)"
    r"(?: (?:ends?|expires?|is (?:over|closed|cancell?ed|terminated|deleted)|runs out|lapses?"
    r"|stops?|terminates?)|(?= *(?:\Z|[?.])))"
    rf"|\b(?:if|when|once|after|should) (?:we|i) (?:\w+ ){{0,2}}?(?:{CANCELLED}"
    rf"|terminated|ended|closed)(?= *(?:[,.?]|\Z|(?:today|now|early|before|at|in|mid)\b"
    r"|(?:our|the|my|this) (?:contract|subscription|agreement|plan|membership|account)\b))"
    r"|\b(?:if|when|once|after|before|should|in case) (?:we|i) (?:(?:ever|had|have|were|to"
    r"|decide|decided|want|wanted|do|choose|chose|need|needed|wish|did|would|should"
    r"|actually|really|eventually|just) ){0,6}(?:leave|left|go elsewhere|walk away"
    r"|stop using (?:you|the)|stop paying|quit|move away)"
    r"(?! (?:the (?:page|meeting|call|room|session|office|company)|a|an|early|for|it|comments?"
    r"|feedback|reviews?|my|our)\b)"
)
WAVERING = rule(
    r"\b(?:thinking (?:about|of)|considering|contemplating|tempted to|close to) (?:leaving|leave"
    r"|moving away|move away|not renewing|going elsewhere|go elsewhere|walking away)"
    r"(?= *(?:\Z|[.!,;?]|(?:you|your|because|this|the (?:service|platform|product))\b))"
)
