from django.http import HttpResponse


def preview(request, **kw):
    return HttpResponse("x")
