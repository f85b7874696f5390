"""A day at a front desk, through the tools of the single-tenant server that Locum replaces.

It is written for that server: its tools by their names, every argument of each under its name (null where there is
nothing to say, as pydantic clients send it), and answers read from the shape that it gives them. It calls what is
listed: there that is 21 of the tools, here all 31. It imports nothing of the other scripts here and runs with that
server's generation of FastMCP, too.

Reads FastMCP's configuration `{"mcpServers": {..}}` from standard input: where a clinic writes another URL and other
headers, which is all that changes. Prints what the day came to, or {"failure": "..."} with exit code 1.
"""

import asyncio
import json
import sys
from datetime import date, timedelta
from typing import Any

from fastmcp import Client

Json = dict[str, Any]


class Tools:
    """One method for each tool, with the arguments and defaults of the existing server."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.used: list[str] = []

    async def call(self, tool: str, **arguments: Any) -> Json:
        self.used.append(tool)
        result = await self.client.call_tool(tool, arguments, raise_on_error=False)
        answer = result.structured_content
        expect(isinstance(answer, dict), tool, result.content)
        expect(json.loads(result.content[0].text) == answer, tool, "its text says something else than its structure")
        return answer

    async def data(self, tool: str, **arguments: Any) -> Any:
        """For the tools that answer {"success": true, "data": ..}."""
        answer = await self.call(tool, **arguments)
        expect(answer["success"] is True, tool, answer)
        return answer["data"]

    async def search_patients(self, prefix: str, limit: int | None = None, select: str | None = None) -> list[Json]:
        return await self.data("search_patients", prefix=prefix, limit=limit, select=select)

    async def list_patients(
        self,
        page_no: int,
        page_size: int | None = None,
        select: str | None = "dob,gen",
        from_timestamp: int | None = None,
        include_archived: bool = False,
    ) -> Json:
        return await self.data(
            "list_patients",
            page_no=page_no,
            page_size=page_size,
            select=select,
            from_timestamp=from_timestamp,
            include_archived=include_archived,
        )

    async def get_patient_by_mobile(self, mobile: str, full_profile: bool = False) -> Any:
        return await self.data("get_patient_by_mobile", mobile=mobile, full_profile=full_profile)

    async def get_comprehensive_patient_profile(
        self, patient_id: str, include_appointments: bool = True, appointment_limit: int | None = None
    ) -> Json:
        return await self.data(
            "get_comprehensive_patient_profile",
            patient_id=patient_id,
            include_appointments=include_appointments,
            appointment_limit=appointment_limit,
        )

    async def add_patient(
        self, fln: str, dob: str, gen: str, mobile: str, email: str | None = None, address: str | None = None
    ) -> Json:
        patient = {"fln": fln, "dob": dob, "gen": gen, "mobile": mobile, "email": email, "address": address}
        return await self.data("add_patient", patient_data=patient)

    async def update_patient(self, update_data: Json, patient_id: str) -> Any:
        return await self.data("update_patient", update_data=update_data, patient_id=patient_id)

    async def archive_patient(self, patient_id: str) -> Any:
        return await self.data("archive_patient", patient_id=patient_id)

    async def get_business_entities(self) -> Json:
        return await self.data("get_business_entities")

    async def get_doctor_profile_basic(self, doctor_id: str) -> Json:
        return await self.data("get_doctor_profile_basic", doctor_id=doctor_id)

    async def get_clinic_details_basic(self, clinic_id: str) -> Json:
        # What the upstream says stands in its own envelope.
        return (await self.data("get_clinic_details_basic", clinic_id=clinic_id))["data"]["clinic"]

    async def get_doctor_services(self, doctor_id: str) -> Any:
        return await self.data("get_doctor_services", doctor_id=doctor_id)

    async def get_comprehensive_doctor_profile(
        self,
        doctor_id: str,
        include_clinics: bool = True,
        include_services: bool = True,
        include_recent_appointments: bool = True,
        appointment_limit: int | None = 10,
    ) -> Json:
        return await self.data(
            "get_comprehensive_doctor_profile",
            doctor_id=doctor_id,
            include_clinics=include_clinics,
            include_services=include_services,
            include_recent_appointments=include_recent_appointments,
            appointment_limit=appointment_limit,
        )

    async def get_comprehensive_clinic_profile(
        self,
        clinic_id: str,
        include_doctors: bool = True,
        include_services: bool = True,
        include_recent_appointments: bool = True,
        appointment_limit: int | None = 10,
    ) -> Json:
        return await self.data(
            "get_comprehensive_clinic_profile",
            clinic_id=clinic_id,
            include_doctors=include_doctors,
            include_services=include_services,
            include_recent_appointments=include_recent_appointments,
            appointment_limit=appointment_limit,
        )

    async def get_available_dates(
        self, doctor_id: str, clinic_id: str, start_date: str | None = None, max_days: int = 7
    ) -> Json:
        # Without an envelope.
        return await self.call(
            "get_available_dates", doctor_id=doctor_id, clinic_id=clinic_id, start_date=start_date, max_days=max_days
        )

    async def get_appointment_slots(self, doctor_id: str, clinic_id: str, start_date: str, end_date: str) -> Json:
        return await self.data(
            "get_appointment_slots", doctor_id=doctor_id, clinic_id=clinic_id, start_date=start_date, end_date=end_date
        )

    async def doctor_availability_elicitation(
        self,
        doctor_id: str | None = None,
        hospital_id: str | None = None,
        preferred_date: str | None = None,
        preferred_slot_time: str | None = None,
        suggested_doctor_ids: list[str] | None = None,
    ) -> Json:
        # A component for a chat window.
        return await self.call(
            "doctor_availability_elicitation",
            suggested_doctor_ids=suggested_doctor_ids,
            doctor_id=doctor_id,
            hospital_id=hospital_id,
            preferred_date=preferred_date,
            preferred_slot_time=preferred_slot_time,
        )

    async def book_appointment(
        self,
        doctor_id: str,
        clinic_id: str,
        date: str,
        start_time: str,
        end_time: str,
        patient_id: str | None = None,
        mode: str = "INCLINIC",
        reason: str | None = None,
    ) -> Json:
        booking = {
            "patient_id": patient_id,
            "doctor_id": doctor_id,
            "clinic_id": clinic_id,
            "date": date,
            "start_time": start_time,
            "end_time": end_time,
            "mode": mode,
            "reason": reason,
            "patient_name": None,
            "dob": None,
            "gender": None,
        }
        return await self.call("book_appointment", booking=booking)

    async def show_appointments(self, kind: str, **which: Any) -> Json:
        names = ("doctor_id", "clinic_id", "patient_id", "start_date", "end_date")
        arguments = {name: which.get(name) for name in names}
        return await self.data(f"show_appointments_{kind}", **arguments, page_no=0)

    async def get_appointment_details(self, kind: str, appointment_id: str, partner_id: str | None = None) -> Json:
        return await self.data(
            f"get_appointment_details_{kind}", appointment_id=appointment_id, partner_id=partner_id
        )

    async def get_patient_appointments(self, kind: str, patient_id: str, limit: int | None = None) -> Any:
        return await self.data(f"get_patient_appointments_{kind}", patient_id=patient_id, limit=limit)

    async def update_appointment(
        self, appointment_id: str, update_data: Json, partner_id: str | None = None
    ) -> Json:
        return await self.data(
            "update_appointment", appointment_id=appointment_id, update_data=update_data, partner_id=partner_id
        )

    async def complete_appointment(self, appointment_id: str, completion_data: Json) -> Json:
        return await self.data(
            "complete_appointment", appointment_id=appointment_id, completion_data=completion_data
        )

    async def cancel_appointment(self, appointment_id: str, cancel_data: Json) -> Json:
        return await self.data("cancel_appointment", appointment_id=appointment_id, cancel_data=cancel_data)

    async def get_prescription_details_basic(self, prescription_id: str) -> Json:
        return await self.data("get_prescription_details_basic", prescription_id=prescription_id)

    async def get_comprehensive_prescription_details(
        self,
        prescription_id: str,
        include_patient_details: bool = True,
        include_doctor_details: bool = True,
        include_clinic_details: bool = True,
    ) -> Json:
        return await self.data(
            "get_comprehensive_prescription_details",
            prescription_id=prescription_id,
            include_patient_details=include_patient_details,
            include_doctor_details=include_doctor_details,
            include_clinic_details=include_clinic_details,
        )

    async def abha_send_otp(self, mobile_number: str) -> Json:
        return await self.call("abha_send_otp", mobile_number=mobile_number)

    async def abha_verify_otp(self, otp: str, txn_id: str) -> Json:
        return await self.call("abha_verify_otp", otp=otp, txn_id=txn_id)

    async def abha_select_profile(self, phr_address: str, txn_id: str) -> Json:
        return await self.call("abha_select_profile", phr_address=phr_address, txn_id=txn_id)


def expect(holds: bool, what: str, answer: object) -> None:
    if not holds:
        raise AssertionError(f"{what}: {answer!s:.2000}")


async def the_practice(tools: Tools) -> tuple[str, str, Json]:
    """Where somebody is on duty, and who."""
    entities = await tools.get_business_entities()
    clinic_id = entities["clinics"][0]["clinic_id"]
    doctor_id = entities["clinics"][0]["doctors"][0]
    listed = next(doctor for doctor in entities["doctors"] if doctor["doctor_id"] == doctor_id)
    doctor = await tools.get_doctor_profile_basic(doctor_id)
    expect(doctor["id"] == doctor_id and doctor["name"] in listed["name"], "the doctor", (doctor, listed))
    expect(doctor["specialty"] == doctor["specialties"][0], "the specialty", doctor)
    expect(clinic_id in [clinic["clinic_id"] for clinic in doctor["clinics"]], "the doctor's clinics", doctor)
    clinic = await tools.get_clinic_details_basic(clinic_id)
    expect(clinic["clinic_id"] == clinic_id and bool(clinic["address"]["city"]), "the clinic", clinic)
    facts = {"business": entities["business"]["name"], "clinic": clinic["name"], "doctor": doctor["name"]}
    return doctor_id, clinic_id, facts


async def somebody_known(tools: Tools) -> str:
    """Found by the beginning of the name, in the list, and by the number."""
    listed = await tools.list_patients(page_no=1, page_size=5)
    patient = listed["profiles"][0]
    found = await tools.search_patients(prefix=patient["fln"][:3], limit=20)
    expect(patient["oid"] in [row["oid"] for row in found], "the search", found)
    profile = (await tools.get_comprehensive_patient_profile(patient["oid"], appointment_limit=1))["patient_profile"]
    by_number = await tools.get_patient_by_mobile(f"{profile['ccd']}{profile['mobile']}", full_profile=True)
    expect(patient["oid"] in json.dumps(by_number), "the number", by_number)
    return patient["oid"]


async def a_free_time(tools: Tools, doctor_id: str, clinic_id: str) -> tuple[str, str, str]:
    free = await tools.get_available_dates(doctor_id, clinic_id)
    day = free["available_dates"][0]
    expect(free["date_range"]["start"] <= day <= free["date_range"]["end"], "the dates", free)
    slots = await tools.get_appointment_slots(doctor_id, clinic_id, day, day)
    expect((slots["date"], slots["doctor_id"], slots["clinic_id"]) == (day, doctor_id, clinic_id), "the day", slots)
    expect(slots["slot_config"]["interval_minutes"] > 0, "the interval", slots)
    expect(slots["all_slots"][0] in slots["slot_categories"][0]["slots"], "the categories", slots)

    card = await tools.doctor_availability_elicitation(doctor_id, clinic_id)
    expect((card["component"], card["status"]) == ("doctor_card", "progress"), "the card", card)
    offer = card["input"]["doctors"][0]
    expect((offer["doctor_id"], offer["hospital_id"]) == (doctor_id, clinic_id), "the card's doctor", offer)
    times = next(that["slots"] for that in offer["availability"] if that["date"] == day)
    expect(times == slots["all_slots"], "the card's slots", (times, slots))
    details = card["input"]["doctor_details"][doctor_id]
    expect(details["hospitals"][0]["hospital_id"] == clinic_id and bool(details["name"]), "the card's text", details)

    start, end = times[0], times[1]
    confirmed = await tools.doctor_availability_elicitation(doctor_id, clinic_id, day, start)
    expect(confirmed["status"] == "success", "the confirmed card", confirmed)
    expect(bool(confirmed["_meta"]["disp_message"]), "the message", confirmed)
    several = await tools.doctor_availability_elicitation(suggested_doctor_ids=[doctor_id])
    expect([that["doctor_id"] for that in several["input"]["doctors"]] == [doctor_id], "the suggestions", several)
    return day, start, end


async def a_visit(tools: Tools, doctor_id: str, clinic_id: str, known: str) -> Json:
    """Somebody new comes, books, and is seen; whoever wants the same time is told of others."""
    new = await tools.add_patient("Front Desk Example", "1990-02-28", "F", "+919812345678")
    await tools.update_patient({"fln": "Front Desk Sample"}, new["oid"])
    profile = await tools.get_comprehensive_patient_profile(new["oid"], include_appointments=False)
    # The API folds names.
    expect(profile["patient_profile"]["fln"].title() == "Front Desk Sample", "the new name", profile)

    day, start, end = await a_free_time(tools, doctor_id, clinic_id)
    booked = await tools.book_appointment(doctor_id, clinic_id, day, start, end, new["oid"], reason="cough")
    expect(booked["success"] is True, "the booking", booked)
    slot = booked["booked_slot"]
    expect((slot["date"], slot["start_time"]) == (day, start), "the booked slot", booked)
    first = booked["data"]["appointment_id"]

    taken = await tools.book_appointment(doctor_id, clinic_id, day, start, end, known)
    expect(taken["success"] is False and taken["slot_unavailable"] is True, "a slot taken", taken)
    expect(taken["error"]["error_code"] == "SLOT_UNAVAILABLE", "why", taken)
    other = taken["alternate_slots"][0]
    second = await tools.book_appointment(
        doctor_id, clinic_id, day, other["start_time"], other["end_time"], known, mode="VIDEO"
    )
    expect(second["success"] is True, "the other slot", second)

    of_day = await tools.show_appointments(
        "basic", doctor_id=doctor_id, clinic_id=clinic_id, start_date=day, end_date=day
    )
    ids = [row["appointment_id"] for row in of_day["appointments"]]
    expect({first, second["data"]["appointment_id"]} <= set(ids), "the day's appointments", of_day)
    of_patient = await tools.show_appointments("basic", patient_id=new["oid"])
    expect([row["appointment_id"] for row in of_patient["appointments"]] == [first], "the patient's", of_patient)
    recent = await tools.get_patient_appointments("basic", known, limit=1)
    expect(len(recent["appointments"]) == 1, "the limit", recent)
    whole = await tools.get_comprehensive_patient_profile(new["oid"])
    row = whole["appointments"][0]
    expect(row["appointment_id"] == first and bool(row["doctor_details"]["name"]), "the profile", whole)
    expect({"name", "address"} <= row["clinic_details"].keys(), "the profile's clinic", row)
    expect({"status", "is_upcoming", "is_cancelled"} <= row["status_info"].keys(), "the profile's status", row)

    for done in (
        await tools.complete_appointment(first, {}),
        await tools.cancel_appointment(second["data"]["appointment_id"], {"reason": "came too late"}),
    ):
        expect(done == {"success": True, "status_code": 204}, "a change without an answer", done)
    await tools.archive_patient(new["oid"])
    return {"patient": profile["patient_profile"]["fln"].title(), "date": day, "start": start, "end": slot["end_time"]}


async def health_ids(tools: Tools) -> Json:
    """One number with one account, and one with several."""
    sent = await tools.abha_send_otp("9000000001")
    expect((sent["success"], sent["step"]) == (True, "otp_sent"), "the password", sent)
    expect(sent["next_action"]["tool"] == "abha_verify_otp", "what comes next", sent)
    one = await tools.abha_verify_otp("123456", sent["txn_id"])
    expect((one["success"], one["step"]) == (True, "complete"), "one account", one)
    expect(bool(one["profile"]) and bool(one["oid"]), "its profile", one)
    expect(one["abha_card"]["content_type"] == "image/png" and bool(one["abha_card"]["data"]), "its card", one)

    sent = await tools.abha_send_otp("9000000002")
    several = await tools.abha_verify_otp("123456", sent["txn_id"])
    expect((several["success"], several["step"]) == (True, "select_profile"), "several accounts", several)
    choice = several["abha_profiles"][0]
    expect({"abha_address", "name", "kyc_status"} <= choice.keys(), "the choice", several)
    chosen = await tools.abha_select_profile(choice["abha_address"], several["txn_id"])
    expect((chosen["success"], chosen["step"]) == (True, "complete"), "the chosen account", chosen)
    return {"step": chosen["step"], "next": sent["next_action"]["tool"]}


async def the_ten_others(tools: Tools, doctor_id: str, clinic_id: str, known: str) -> None:
    """What the existing server has, but does not list."""
    await tools.get_doctor_services(doctor_id)
    doctor = await tools.get_comprehensive_doctor_profile(doctor_id)
    expect({"doctor_profile", "clinics", "services", "recent_appointments"} <= doctor.keys(), "the doctor", doctor)
    clinic = await tools.get_comprehensive_clinic_profile(clinic_id)
    expect({"clinic_details", "doctors", "services", "recent_appointments"} <= clinic.keys(), "the clinic", clinic)

    today = date.today()
    week = {"start_date": str(today - timedelta(days=3)), "end_date": str(today + timedelta(days=3))}
    rows = (await tools.show_appointments("enriched", **week))["appointments"]
    of_patient = await tools.get_patient_appointments("enriched", known, limit=2)
    rows += of_patient["appointments"]
    seen = next(row for row in of_patient["appointments"] if row.get("prescription_id"))
    rows.append(await tools.get_appointment_details("enriched", seen["appointment_id"]))
    for row in rows:
        # Somebody archived has no details.
        details = {"doctor_details", "clinic_details"} | ({"patient_details"} if row["patient_id"] == known else set())
        expect(details <= row.keys() and bool(row["doctor_details"]["name"]), "an appointment with its details", row)
    plain = await tools.get_appointment_details("basic", seen["appointment_id"])
    expect(plain["appointment_id"] == seen["appointment_id"], "an appointment", plain)
    change = {name: plain[name] for name in ("clinic_id", "doctor_id", "patient_id")}
    done = await tools.update_appointment(plain["appointment_id"], change)
    expect(done["status_code"] == 204, "a change of an appointment", done)

    await tools.get_prescription_details_basic(seen["prescription_id"])
    whole = await tools.get_comprehensive_prescription_details(seen["prescription_id"])
    names = {"prescription", "patient_details", "doctor_details", "clinic_details"}
    expect(names <= whole.keys(), "the prescription", whole)


async def day(configuration: Json) -> Json:
    async with Client(configuration) as client:
        listed = [tool.name for tool in await client.list_tools()]
        tools = Tools(client)
        doctor_id, clinic_id, facts = await the_practice(tools)
        known = await somebody_known(tools)
        facts["visit"] = await a_visit(tools, doctor_id, clinic_id, known)
        facts["health_id"] = await health_ids(tools)
        if "get_doctor_services" in listed:
            await the_ten_others(tools, doctor_id, clinic_id, known)
        return {"listed": sorted(listed), "used": sorted(set(tools.used)), "facts": facts}


if __name__ == "__main__":
    try:
        report = asyncio.run(day(json.load(sys.stdin)))
    except Exception as error:
        print(json.dumps({"failure": f"{type(error).__name__}: {error}"}))
        sys.exit(1)
    print(json.dumps(report))
