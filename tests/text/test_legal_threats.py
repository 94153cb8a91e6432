"""Short messages with and without a threat of legal steps. None of them teaches."""

from __future__ import annotations

from churnml.text.intents import Intent, Intents
from churnml.text.prose import read_prose
from churnml.text.wording import wording

THREATS = (
    "We'll sue.",
    "See you in court then.",
    "Expect a letter from my solicitor.",
    "I am taking this to small claims.",
    "Our lawyer has been told to start proceedings.",
    "We will claim the lost revenue from you, in court if need be.",
    "You have 14 days to pay us back before we file suit.",
    "I've reported you to the data protection authority.",
    "Next stop: trading standards.",
    "We are going to hold you liable for every cent of this.",
    "This is now with our attorneys, do not delete any logs.",
    "Consider this formal notice of breach. We reserve all our rights.",
    "My barrister says we have a strong case and we intend to bring it.",
    "If the money isn't here on Monday, legal proceedings follow.",
    "One more bogus invoice and we lawyer up.",
    "we are pressing charges for what your technician did",
    "The board has approved litigation against your company.",
    "A complaint to the ombudsman goes out tonight.",
    "You leaked our patients' names. Our counsel will contact yours.",
    "Pay up or a judge will tell you to.",
    "We shall seek damages for the eleven days our shop was down.",
    "Our insurers' lawyers will be pursuing you for the loss.",
    "Fix the overcharge or I take legal action.",
    "Ok, then we settle this through the courts.",
    "I'm filing a GDPR complaint with the regulator about your tracking.",
    "We have retained a law firm in this matter.",
    "You'll get served this week.",
    "Sort it by noon or our legal department takes over with a claim.",
    "This is fraud and I have gone to the police.",
    "Our union's lawyers are preparing a case over the wrong payslips.",
)
NONE = (
    "Third deadline gone, and still no fix.",
    "Your downtime ruined our biggest sale of the year.",
    "Please answer by noon tomorrow.",
    "You have 48 hours to get this working.",
    "You broke your word.",
    "Uptime was 97.1%. You promise 99.9%.",
    "That is the last warning before I talk to your director.",
    "Two customers walked away while your site was down.",
    "The auditors marked us down for your missing logs.",
    "Our lawyers bill their hours in your app.",
    "Solicitors at our branch in Leeds can't log in.",
    "The claims team wants a column for the date of loss.",
    "Which court calendars can we sync with?",
    "Our attorney has a question on clause 7 of your terms.",
    "Counsel signed off on the renewal, all good.",
    "Is your hosting in line with GDPR?",
    "This does not meet our security policy.",
    "You are not complying with the SLA.",
    "I hold you responsible for this mess.",
    "Unacceptable. Fix it today.",
    "We were fined by the tax office because your export was wrong.",
    "Your bug cost us nine thousand euros.",
    "Nobody honours what your salesman agreed with us.",
    "How do I serve a notice to a tenant from the app?",
    "The judge's assistant cannot open the bundle of exhibits.",
    "Legal wants to know where you store our backups.",
    "We'll have no choice but to look at other vendors.",
    "Your support is a crime.",
    "I demand an answer today.",
    "We gave you a final date and you let it pass.",
    "The regulator asks all banks for a list of suppliers, please send us your details.",
    "Our paralegals think the search is brilliant.",
    "The damages field on the inspection form won't save.",
    "A case in the system got closed by accident, can you reopen it?",
    "We cannot accept this price rise.",
    "You lied to us about the launch date.",
    "My boss is furious about the lost data.",
    "Penalty points for late deliveries are computed wrongly.",
    "Our compliance training starts Monday, please add 20 users.",
    "What you deliver is not what is in the contract.",
)


def found(messages: tuple[str, ...]) -> set[str]:
    prose = [read_prose(message) for message in messages]
    wanted = Intents().find(prose, [wording(item) for item in prose])
    return {
        message
        for message, intents in zip(messages, wanted, strict=True)
        if Intent.LEGAL_THREAT in {item.intent for item in intents}
    }


def test_short_threats_are_found() -> None:
    assert len(THREATS) == 30
    assert len(found(THREATS)) >= 27, sorted(set(THREATS) - found(THREATS))


def test_anger_deadlines_and_lawyers_as_users_are_none() -> None:
    assert len(NONE) == 40
    assert len(found(NONE)) <= 2, sorted(found(NONE))
