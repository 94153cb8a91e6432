"""The phrase book of `voice`: openings, matters by topic and tone, closings, slots."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

Phrases = tuple[str, ...]

SLOTS: Mapping[str, Phrases] = MappingProxyType(
    {
        "thing": (
            "the dashboard", "the report builder", "the CSV import", "the mobile app", "search",
            "the API", "the permissions page", "the audit log", "the {app} integration",
            "the nightly export", "single sign-on", "the approval workflow", "the new editor",
            "bulk editing", "the notification page", "the template library",
        ),
        "app": ("Salesforce", "Slack", "Jira", "HubSpot", "NetSuite", "Teams", "Google Sheets"),
        "team": (
            "finance", "sales", "operations", "support", "marketing", "warehouse", "analytics",
            "HR", "delivery", "field", "Berlin", "Austin", "evening",
        ),
        "person": (
            "our CFO", "my manager", "our head of operations", "procurement", "the board",
            "our CTO", "the team lead", "our controller", "our VP",
        ),
        "agent": ("Dana", "Rob", "Lena", "your support team", "Mark", "Sofia", "your colleague"),
        "rival": (
            "Fieldstack", "Opsnova", "Quillbase", "Tandemly", "Northbeam", "an open-source tool",
        ),
        "span": (
            "two days", "a week", "ten days", "most of this month", "three weeks",
            "half a quarter", "a couple of months",
        ),
        "when": (
            "yesterday", "this morning", "last Thursday", "on Monday", "twice this week",
            "again last night", "during month-end", "in the middle of a demo",
        ),
        "number": ("3", "4", "6", "12", "17", "25", "40"),
        "money": ("8 %", "12 %", "15 %", "20 %", "a fifth", "almost a quarter"),
        "project": (
            "the rollout", "our migration", "onboarding the {team} team", "phase two",
            "the data clean-up", "the {app} connection", "going live in the second region",
        ),
        "fault": (
            "times out", "loses filters", "shows last week's numbers", "drops rows",
            "logs people out", "sends duplicates", "freezes on large files", "ignores time zones",
        ),
        "wish": (
            "scheduled exports", "a dark theme", "row-level permissions", "a French interface",
            "custom fields on reports", "webhooks", "an undo button", "better filters",
        ),
        "work": (
            "quarterly planning", "stock takes", "invoicing", "shift planning", "board reports",
            "customer reviews", "forecasting", "month-end close",
        ),
    }
)  # fmt: skip

OPENINGS: Mapping[str, Phrases] = MappingProxyType(
    {
        "positive": (
            "Hi {agent},", "Hello, good news from our side.", "Just a quick note of thanks.",
            "Hi all, hope you are well.", "Thanks for the call {when}.", "Morning!",
        ),
        "neutral": (
            "Hi,", "Hello,", "Quick question.", "Hi {agent},", "Following up on our last call.",
            "I hope this reaches the right person.", "Good afternoon,",
        ),
        "concerned": (
            "Hi {agent}, I am a little worried.", "Hello, could someone look into this?",
            "I wanted to raise something before it grows.", "Hi, not sure whom to ask.",
            "Following up, as I have not heard back.", "Hi again,",
        ),
        "negative": (
            "This is the second time I write about this.", "Hi, we are not happy.",
            "I am sorry to say this is not working.", "Hello, please escalate this.",
            "I am disappointed.", "We need to talk.", "Great, {when} it happened again.",
        ),
        "hostile": (
            "This is unacceptable.", "I have had enough.", "Are you serious?",
            "Is anybody even reading these?", "Unbelievable.", "What exactly are we paying for?",
        ),
    }
)  # fmt: skip

CLOSINGS: Mapping[str, Phrases] = MappingProxyType(
    {
        "positive": (
            "Keep it up!", "Thanks again, really appreciated.", "Happy to be a reference for this.",
            "Looking forward to what comes next.", "Please pass our thanks on to {agent}.",
            "Have a great weekend.",
        ),
        "neutral": (
            "Thanks.", "No rush.", "Please let me know.", "Happy to jump on a call if easier.",
            "Thanks in advance.", "Cc'ing {person}.", "Best regards.",
        ),
        "concerned": (
            "Could you tell us when to expect a fix?", "I would like to understand the plan.",
            "{person} has started to ask about it.", "Please keep me posted.",
            "It is getting harder to defend this internally.", "We can live with it for {span}.",
        ),
        "negative": (
            "We expected better.", "I need an answer this week.", "Please treat this as urgent.",
            "{person} is asking why we renewed.", "This costs the {team} team hours every week.",
            "I do not want another ticket number, I want it fixed.",
        ),
        "hostile": (
            "Fix it or refund us.", "Do not send me another template answer.",
            "Our lawyers will read the contract.", "I will make sure others hear about this.",
            "Get me someone who can actually decide.", "We are done waiting.",
        ),
    }
)  # fmt: skip

MATTERS: Mapping[str, Mapping[str, Phrases]] = MappingProxyType(
    {
        "product": {
            "positive": (
                "{thing} has made a real difference to our {team} team.",
                "We moved {work} onto {thing} and it saves us {number} hours a week.",
                "The last release of {thing} is exactly what we needed for {work}.",
                "People in {team} actually like using {thing}, which says a lot.",
            ),
            "neutral": (
                "Could you tell me whether {thing} can be used for {work}?",
                "How do we give the {team} team access to {thing}?",
                "Is there a limit on {thing} for our plan? We have about {number} people on it.",
                "We would like {wish} in {thing}; is that on the list?",
                "Can {thing} be connected to {app}?",
            ),
            "concerned": (
                "{thing} {fault} now and then and it is starting to slow {team} down.",
                "Since the update {thing} is harder to use for {work}.",
                "Only {number} of our people still open {thing}; we may have set it up wrongly.",
                "We expected {wish} by now, and we still do {work} by hand.",
            ),
            "negative": (
                "{thing} still {fault}, and we had to redo {work} by hand {when}.",
                "After {span} {thing} remains unusable for {work}.",
                "The {team} team has gone back to spreadsheets because {thing} {fault}.",
                "Without {wish} this product does not do what we bought it for.",
            ),
            "hostile": (
                "{thing} {fault} every single day and you call that enterprise software.",
                "We lost {number} hours of work because {thing} {fault}. Again.",
                "Your product is broken and {thing} is the worst of it.",
            ),
        },
        "reliability": {
            "positive": (
                "The incident {when} was handled well, the updates were clear.",
                "Since the fix {thing} has been fast and stable for us.",
            ),
            "neutral": (
                "Was there maintenance {when}? {thing} was not reachable for a moment.",
                "Please add me to the status page notifications.",
                "Could you send the incident report for the outage {when}?",
            ),
            "concerned": (
                "{thing} was down {when} and we had to postpone {work}.",
                "The slowness {when} was noticed by {person}.",
                "That makes {number} times this quarter that {thing} {fault}.",
            ),
            "negative": (
                "Another outage {when}, right in the middle of {work}.",
                "{thing} has been down for {span} and the status page says all is well.",
                "We cannot run {work} on something that {fault}.",
            ),
            "hostile": (
                "Down again {when}. You have cost us a customer.",
                "Your status page is a lie: {thing} {fault} and nobody picks up the phone.",
            ),
        },
        "timeline": {
            "positive": (
                "{project} was done ahead of schedule, thank you.",
                "We are on track with {project} and the {team} team is excited.",
            ),
            "neutral": (
                "What is the current date for {project}?",
                "Can we move the workshop on {project} by {span}?",
                "Do you know in which quarter {wish} will arrive?",
            ),
            "concerned": (
                "{project} is slipping and {person} wants a new date.",
                "We are {span} behind with {project}; what can be done?",
                "{wish} was announced for last quarter and we planned around it.",
            ),
            "negative": (
                "{project} is {span} late and we keep being told to wait.",
                "You promised {wish} before we signed and it is still not there.",
                "Every date for {project} has been missed so far.",
            ),
            "hostile": (
                "{project} is a disaster and you sold us a fantasy timeline.",
                "{span} of excuses about {project}. Nobody believes your dates any more.",
            ),
        },
        "pricing": {
            "positive": (
                "The new invoice layout is much clearer, thank you.",
                "We got approval for {number} more seats, please send the order form.",
            ),
            "neutral": (
                "Could you send the last invoice again, with our new VAT number?",
                "What would {number} more seats cost us until the end of the term?",
                "When exactly does our term renew, and at what price?",
                "Please switch our billing contact to {person}.",
            ),
            "concerned": (
                "The renewal quote is {money} above last year; can you explain it?",
                "We are charged for seats that {team} no longer uses.",
                "{person} wants to see what we get for this price.",
                "Our budget is being cut by {money}, what options do we have?",
            ),
            "negative": (
                "{money} more for the same product is not something I can defend.",
                "The invoice is wrong again and this has taken {span}.",
                "We pay for {number} seats and use half of them. Nobody told us.",
            ),
            "hostile": (
                "A price rise of {money} after this year is an insult.",
                "You charged our card without asking. I want the money back today.",
            ),
        },
        "support": {
            "positive": (
                "{agent} was brilliant, solved in ten minutes.",
                "Thanks to {agent} for staying on the call until {thing} worked.",
                "Best support we have had from any vendor.",
            ),
            "neutral": (
                "Who is our contact while {agent} is away?",
                "Please close the ticket about {thing}, we found it ourselves.",
                "Could somebody walk {person} through {thing}?",
            ),
            "concerned": (
                "I opened a ticket about {thing} and it has been quiet for {span}.",
                "We were passed between {number} people before anyone understood the question.",
                "The answer from {agent} did not match what we see in {thing}.",
            ),
            "negative": (
                "It took {span} to get a reply, and the reply was a link to the manual.",
                "We have explained the same problem with {thing} to {number} people.",
                "Your team closed our ticket although {thing} still {fault}.",
            ),
            "hostile": (
                "Your support is useless: {span} and not one competent answer.",
                "Stop closing my tickets. {thing} still {fault}.",
            ),
        },
        "competitive": {
            "positive": (
                "We looked at {rival} for {work} and decided to stay with you.",
                "A colleague came from {rival} and says this is far better.",
            ),
            "neutral": (
                "How do you compare with {rival} when it comes to {wish}?",
                "{person} asked for a comparison with {rival}; do you have one?",
                "Can data be imported from {rival}? The {team} team still has some there.",
            ),
            "concerned": (
                "{rival} showed {person} a demo {when} and it was well received.",
                "{rival} offers {wish} for {money} less, so we have to look at it.",
                "We are evaluating {rival} alongside you for {work}.",
            ),
            "negative": (
                "{rival} does this out of the box; why do we still wait for {wish}?",
                "The {team} team has started a trial of {rival}.",
                "We have moved {work} to {rival} already.",
            ),
            "hostile": (
                "{rival} answers the phone. You do not. Guess where we are going.",
                "Everyone here asks why we did not buy {rival} in the first place.",
            ),
        },
        "praise": {
            "positive": (
                "{person} was impressed by the numbers we presented out of {thing}.",
                "One year in and I would choose you again.",
                "We hit our target for {work} and your product had a part in it.",
                "I recommended you to a friend at another company {when}.",
            ),
            "neutral": (
                "All fine here, nothing to report for the review.",
                "Things are running; we use {thing} mostly for {work}.",
            ),
            "concerned": (
                "Mostly good, although {thing} {fault} sometimes.",
                "We like the product; it is the follow-up that has been thin lately.",
            ),
            "negative": (
                "It used to be good. For {span} it has not been.",
                "I was a fan, and I am sorry to say that this has changed.",
            ),
            "hostile": ("I recommended you to others and I regret it.",),
        },
        "ask_cancel": {
            "positive": (
                "We love it, but {person} wants to know the notice period for the records.",
            ),
            "neutral": (
                "What is the notice period in our contract?",
                "How would we export everything if we ever had to leave?",
                "Can the subscription be paused for {span}?",
            ),
            "concerned": (
                "{person} asked what it would take to end the contract early.",
                "We are reviewing all tools; by when would we need to cancel?",
            ),
            "negative": (
                "Please tell us how to cancel; this is not working out.",
                "We are considering not to renew because {thing} still {fault}.",
            ),
            "hostile": ("Tell me how we get out of this contract. Today.",),
        },
        "cancel": {
            "positive": (
                "We have enjoyed working with you, but please do not renew our subscription.",
            ),
            "neutral": (
                "Please take this as notice that we will not renew at the end of the term.",
                "We would like to cancel our subscription with effect from the end of the term.",
            ),
            "concerned": (
                "After long talks with {person} we have decided not to renew.",
                "We have to cancel; we will do {work} in another system.",
            ),
            "negative": (
                "We hereby cancel. {thing} never did what was promised.",
                "Please confirm the cancellation of our account. We have moved to {rival}.",
            ),
            "hostile": ("Cancel our account immediately and stop all charges.",),
        },
        "offboarding": {
            "positive": ("Before we leave: please export our data, and thanks for everything.",),
            "neutral": (
                "Please send us a full export of our data before the account is closed.",
                "How long will our data be kept after the contract ends?",
            ),
            "concerned": ("We need the export for {work} before access is switched off.",),
            "negative": ("The export you sent is incomplete, {thing} is missing.",),
            "hostile": ("Delete all our data and confirm it in writing.",),
        },
    }
)  # fmt: skip
